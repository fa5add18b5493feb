/** What the reporter writes of the addresses of this node's pods, and of the pods that have them. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { Endpoints } from '../../../collector/src/correlate/endpoints.ts';
import { Reporter, type ReporterOptions } from '../../../collector/src/reporter.ts';
import { encodeRow } from '../../../store/rowbinary.ts';
import type { Table } from '../../../store/tables.ts';
import { openCluster, BEGIN_MS as T } from './support/cluster.ts';
import { podObject } from './support/objects.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const POD = `/kubepods/besteffort/pod${UID}`;
const ns = (ms: number) => BigInt(T + ms) * 1_000_000n;

it('an address, and a name for who has it; news that comes after the end of a pod does not make it live again', async () => {
  const { identity, put, clock, told, close } = await openCluster();
  const endpoints = new Endpoints(10);
  const rows: Record<string, unknown>[] = [];
  const delivery = {
    add(table: Table, row: Record<string, unknown>) {
      encodeRow(table, row);
      rows.push({ ...row, table: table.name });
    },
  };
  const options = {
    scope: { cluster: 'c', node: 'n', boot_id: '' },
    nowNs: () => ns(clock.ms - T),
    serviceLabels: false,
  };
  const reporter = new Reporter({
    ...options,
    delivery,
    endpoints,
    kubernetes: identity,
  } as unknown as ReporterOptions);

  identity.cgroup(POD, 'made', ns(10));
  identity.cgroup(`${POD}/${'ab'.repeat(32)}`, 'made', ns(20));
  const unnamed = identity.ofCgroup(POD);
  assert.ok(unnamed !== undefined);
  endpoints.number(unnamed, 1, ns(20));
  reporter.tellEndpoints();
  assert.deepEqual(
    rows.splice(0).map(({ table, name, valid_from }) => [table, name, valid_from]),
    [['endpoints', '', '2026-01-02T03:04:05.020000000Z']],
  );
  identity.cgroup(`${POD}/${'ab'.repeat(32)}`, 'removed', ns(300));
  identity.cgroup(POD, 'removed', ns(400));
  endpoints.endCgroup(POD, ns(400));
  clock.ms = T + 1000;
  put('pods', podObject({ uid: UID, name: 'web-1', address: '10.0.0.7', startedMs: T, runningMs: T }));
  for (const one of told.updated) endpoints.refresh(one, ns(1000));
  reporter.tellEndpoints();
  const [address, ...named] = rows.splice(0);
  assert.deepEqual(
    [address?.table, address?.cluster, address?.node, address?.address, address?.endpoint_id, address?.basis],
    ['endpoint_addresses', 'c', 'n', '10.0.0.7', endpointId('pod', UID), 'node'],
  );
  assert.deepEqual(
    [address?.valid_from, address?.sure_from, address?.sure_to, address?.valid_to, address?.changed_from],
    [ns(10), ns(20), ns(300), ns(400), ns(10)],
  );
  assert.deepEqual(
    named.map(({ table, name, valid_from, valid_to }) => [table, name, valid_from, valid_to]),
    [['endpoints', 'web-1', '2026-01-02T03:04:05.020000000Z', '2026-01-02T03:04:05.400000000Z']],
    'the same interval, with its name',
  );
  put('pods', podObject({ uid: 'b', name: 'quiet', address: '10.0.0.8', startedMs: T, runningMs: T }));
  reporter.tellEndpoints();
  assert.deepEqual(
    rows.map(({ table, name }) => [table, name]),
    [['endpoints', 'quiet']],
    'also one that is not heard of in traffic',
  );
  close();
});
