/** Who is who, as files say it: the same index that the API server fills. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../../collector/src/config.ts';
import { NOBODY_SURE } from '../../../collector/src/control/identity.ts';
import { type Kubernetes, openKubernetes } from '../../../collector/src/control/kubernetes/open.ts';
import { IdentityFollower } from '../../../collector/src/control/manifests/identity.ts';
import type { ManifestSource } from '../../../collector/src/control/manifests/source.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { manifestFamilies } from '../../../collector/src/deliver/prometheus/manifest_families.ts';
import { metricsText } from '../../../collector/src/telemetry/metrics_text.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../../support/flowspan.ts';
import { openCluster } from '../kubernetes/support/cluster.ts';
import { follow, policy } from './support/directory.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const ID = 'ab'.repeat(32);
const SHOP = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: ${UID}, labels: {app: web}}
spec: {nodeName: here, containers: [{name: main, image: registry/web:1}]}
status: {podIP: 10.1.0.1, containerStatuses: [{name: main, containerID: "containerd://${ID}"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop}
spec: {nodeName: there}
status: {podIPs: [{ip: 10.1.0.2}, {ip: "fd00::2"}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.0.0.10, ports: [{port: 5432, nodePort: 30432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.2]}]
---
apiVersion: v1
kind: Node
metadata: {name: there, labels: {topology.kubernetes.io/zone: east}}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
`;

const log = pino({ level: 'silent' });
const TCP = 6;

describe('identity from files', () => {
  /** As the collector has it, in the place of an API server. */
  async function open(files: Record<string, string>): Promise<{ kubernetes: Kubernetes; path: string }> {
    const { path, source } = await follow(files);
    source.close();
    const config = loadConfig(['--manifests', path, '--node', 'here', '--data-dir', temporaryFolder()], {});
    const kubernetes = openKubernetes(config, log);
    assert.ok(kubernetes !== undefined);
    await kubernetes.identity.start(() => undefined, { updated: () => undefined, ended: () => undefined });
    await kubernetes.identity.sync();
    return { kubernetes, path };
  }

  it('is that of pods by address, cgroup and container, of services and of nodes', async () => {
    const { kubernetes } = await open({ 'shop.yaml': SHOP });
    const { identity, watch } = kubernetes;
    assert.equal(watch.synced, true);
    const at = (address: string) => identity.ofAddress(addressBytes(address), Date.now());
    for (const address of ['10.1.0.2', 'fd00::2']) {
      const found = at(address);
      assert.ok(found !== undefined && found !== NOBODY_SURE, address);
      const { kind, namespace, name, workload, here, pod } = found;
      assert.deepEqual([kind, namespace, name, workload, here], ['pod', 'shop', 'db-0', 'db-0', false]);
      assert.deepEqual([pod?.node, pod?.zone, pod?.services], ['there', 'east', ['db']]);
    }
    for (const path of [`/kubepods/besteffort/pod${UID}/${ID}`, `/system.slice/cri-containerd-${ID}.scope`]) {
      const found = identity.ofCgroup(path);
      assert.ok(found !== undefined);
      assert.deepEqual([found.name, found.here, found.labels.app], ['web-1', true, 'web']);
    }
    const node = at('192.0.2.2');
    assert.ok(node !== undefined && node !== NOBODY_SURE);
    assert.deepEqual([node.kind, node.name], ['node', 'there']);
    const dialled = (address: string, port: number) => identity.dialled(TCP, addressBytes(address), port, false)?.name;
    assert.deepEqual(
      [dialled('10.0.0.10', 5432), dialled('192.0.2.2', 30_432), dialled('10.0.0.11', 1)],
      ['db', 'db', undefined],
    );
    assert.equal(at('10.1.0.9'), undefined);
    identity.close();
  });

  it('is as fresh as the files', async () => {
    const { kubernetes, path } = await open({ 'shop.yaml': SHOP });
    const { identity } = kubernetes;
    const nameAt = (address: string) => {
      const found = identity.ofAddress(addressBytes(address), Date.now());
      return found === undefined || found === NOBODY_SURE ? undefined : found.name;
    };
    const files = await follow({}, { path });
    files.source.close();
    files.write('shop.yaml', SHOP.replace('10.1.0.2', '10.1.0.3'));
    await eventually('the new address', () => nameAt('10.1.0.3') === 'db-0');
    assert.equal(nameAt('10.1.0.2'), undefined);
    rmSync(join(path, 'shop.yaml'));
    await eventually('nobody', () => nameAt('10.1.0.3') === undefined);
    files.write('shop.yaml', SHOP);
    await eventually('the pod that is back', () => nameAt('10.1.0.2') === 'db-0');
    identity.close();
  });

  it('is of a pod that is back under the same UID, and of one that has another', async () => {
    const { cluster, identity, at, clock } = await openCluster('here');
    const follower = new IdentityFollower(cluster);
    const id = { kind: 'Pod', namespace: 'shop', name: 'a' } as const;
    const pod = (uid: string, podIP: string) => ({ metadata: { ...id, uid }, spec: {}, status: { podIP } });
    follower.take(id, pod('u1', '10.0.0.1'));
    follower.delete(id, pod('u1', '10.0.0.1'));
    clock.ms += 1000;
    follower.take(id, pod('u1', '10.0.0.2'));
    assert.deepEqual([at('10.0.0.2'), cluster.counts().pods], ['a', 1]);
    follower.delete(id, pod('u1', '10.0.0.2'));
    follower.take(id, pod('u2', '10.0.0.2'));
    clock.ms += 1;
    assert.deepEqual([at('10.0.0.2'), cluster.counts().pods], ['a', 1]);
    identity.close();
  });

  it('is not asked for twice: files and an API server exclude each other', () => {
    for (const flags of [
      ['--kubernetes-kubeconfig', '/x'],
      ['--kubernetes-enabled', 'on'],
    ]) {
      assert.throws(() => loadConfig(['--manifests', '/y', ...flags], {}), {
        code: 'FLOW_CONFIG_CONFLICT',
        key: 'manifests',
      });
    }
  });
});

it('GET /metrics tells what is in use and what is refused; nothing without a directory', async () => {
  const text = async (source: ManifestSource | undefined) => {
    let lines = '';
    for await (const piece of metricsText(manifestFamilies(source?.status()), 'text')) lines += piece;
    return lines.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  };
  const followed = await follow({ 'a.yaml': policy('a'), 'b.yaml': '[' }, { nowMs: () => 5500 });
  const lines = await text(followed.source);
  assert.ok(lines.includes('flowspan_manifests_objects{kind="NetworkPolicy"} 1'), lines.join('\n'));
  assert.ok(lines.includes('flowspan_manifests_objects{kind="Pod"} 0'));
  assert.ok(lines.includes('flowspan_manifests_refused 1'));
  assert.ok(lines.includes('flowspan_manifests_last_sound_timestamp_seconds 0'));
  rmSync(join(followed.path, 'b.yaml'));
  await followed.refuses();
  assert.ok((await text(followed.source)).includes('flowspan_manifests_last_sound_timestamp_seconds 5.5'));
  followed.source.close();
  assert.deepEqual(await text(undefined), []);
});
