/** From records to rows: pods at both ends, beside what the machine itself knows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { EPOCH_NS, openPath } from '../support/path.ts';
import { connection, record } from '../support/records.ts';
import { openCluster } from './support/cluster.ts';
import { nodeObject, type PodValues, podObject } from './support/objects.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const ID = 'ab'.repeat(32);
const OTHER_ID = 'cd'.repeat(32);
const PATH = `/kubepods/burstable/pod${UID}/${ID}`;
const pod = (values: Partial<PodValues> = {}) => podObject({ uid: UID, name: 'web-x1', ...values });

describe('in the data path', () => {
  const atMs = Number(EPOCH_NS / 1_000_000n);

  it('each record has whoever had its address at its time, whatever listened there last', async () => {
    const { identity, put, remove, clock, close } = await openCluster();
    const life = (uid: string, name: string, fromS: number) => ({
      ...{ uid, name, address: '10.0.0.7', startedMs: atMs + fromS * 1000, runningMs: atMs + fromS * 1000 },
    });
    clock.ms = atMs + 1000;
    put('pods', podObject(life(UID, 'old', 0)));
    clock.ms = atMs + 5200;
    remove('pods', podObject({ ...life(UID, 'old', 0), stoppedMs: atMs + 5000 }));
    clock.ms = atMs + 5500;
    put('pods', podObject(life('bbbbbbbb-0000-4000-8000-000000000002', 'new', 5)));
    const path = openPath({
      extraSources: [identity],
      processes: { 100: { executable: 'wrk', command: 'wrk', cgroupPaths: ['/'] } },
    });
    const flowAt = (ms: number, port = 50_000) =>
      record(
        'flow',
        connection({
          ...{ observation_point: 'client', pid: 100, source_port: port, destination_address: '10.0.0.7' },
          time_boot_ns: BigInt(ms) * 1_000_000n,
        }),
      );
    const rows = path.feed('flows', flowAt(3000), flowAt(5100), flowAt(6000));
    const names = new Map(path.endpoints.takeChanged().map((row) => [row.identity.id.toString(), row]));
    assert.deepEqual(
      rows.map((row) => names.get(String(row.destination_endpoint_id))?.identity.name ?? '?'),
      ['old', '?', 'new'],
    );
    const old = names.get(endpointId('pod', UID).toString());
    assert.deepEqual([old?.validFromNs, old?.validToNs], [EPOCH_NS, EPOCH_NS + 5_000_000_000n]);

    clock.ms = atMs + 4 * 60_000;
    identity.cluster.forget();
    const [late] = path.feed('flows', flowAt(3000, 50_001));
    assert.equal(String(late?.destination_endpoint_id), String(old?.identity.id), 'a row that comes minutes late');
    close();
  });

  it('a host process stays a host process, and hostNetwork pods are told from it and from one another', async () => {
    const { identity, put, close } = await openCluster();
    const second = '1f2e3d4c-aaaa-4bbb-8ccc-000000000002';
    put(
      'pods',
      pod({ name: 'proxy', hostNetwork: true }),
      podObject({ uid: second, name: 'agent', hostNetwork: true }),
    );
    put('nodes', nodeObject('node-1', 'n1', ['192.0.2.1']));
    const path = openPath({
      extraSources: [identity],
      cgroups: { 10: PATH, 11: `/kubepods/pod${second}/${OTHER_ID}`, 12: '/system.slice/ssh.service' },
    });
    const from = (cgroup: bigint) =>
      record(
        'flow',
        connection({
          ...{ observation_point: 'client', owner_cgroup_id: cgroup, source_address: '192.0.2.1' },
          ...{ source_port: Number(cgroup), destination_address: '192.0.2.1', destination_port: 9 },
        }),
      );
    const rows = path.feed('flows', from(10n), from(11n), from(12n));
    const names = new Map(path.endpoints.takeChanged().map(({ identity: one }) => [one.id.toString(), one.name]));
    assert.deepEqual(
      rows.map((row) => [row.source_endpoint_id, row.destination_endpoint_id].map((id) => names.get(String(id)))),
      [
        ['proxy', 'node-1'],
        ['agent', 'node-1'],
        ['ssh.service', 'node-1'],
      ],
    );
    close();
  });
});
