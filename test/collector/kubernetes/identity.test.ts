/** Pods by cgroup, container and address; their workload and services; what is told when more becomes known. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { podsOfCgroup } from '../../../collector/src/control/cgroup_path.ts';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { openCluster, BEGIN_MS as T } from './support/cluster.ts';
import { nodeObject, ownedObject, type PodValues, podObject, serviceObject, sliceObject } from './support/objects.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const SLICED = UID.replaceAll('-', '_');
const HASH = '0123456789abcdef0123456789abcdef';
const ID = 'ab'.repeat(32);
const OTHER_ID = 'cd'.repeat(32);
const PATH = `/kubepods/burstable/pod${UID}/${ID}`;
const pod = (values: Partial<PodValues> = {}) => podObject({ uid: UID, name: 'web-x1', ...values });

describe('pods by cgroup path', () => {
  it('every driver and runtime, guaranteed pods, nested nodes, static pods', () => {
    const slice = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SLICED}.slice`;
    const cases: [path: string, uids: string[]][] = [
      [`${slice}/cri-containerd-${ID}.scope`, [UID]],
      [`${slice}/crio-${ID}.scope/container`, [UID]],
      [`${slice}/docker-${ID}.scope`, [UID]],
      [`/kubepods.slice/kubepods-pod${SLICED}.slice/cri-containerd-${ID}.scope`, [UID]],
      [`/kubepods/besteffort/pod${UID}/${ID}`, [UID]],
      [`/kubepods/pod${UID}/${ID}/init.scope`, [UID]],
      [`/kubepods/pod${HASH}/${ID}`, [HASH]],
      [`/kubepods.slice/kubepods-pod${HASH}.slice/cri-containerd-${ID}.scope`, [HASH]],
      [
        `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${SLICED}.slice/cri-containerd-${ID}.scope`,
        [UID],
      ],
      [`/docker/${OTHER_ID}/kubelet/kubepods/burstable/pod${UID}/${ID}`, [UID]],
      [`/kfix-n2/kubepods/besteffort/pod${UID}/${ID}`, [UID]],
      [`/../../kubepods/burstable/pod${UID}/${ID}`, [UID]],
      [`/system.slice/containerd.service/kubepods-burstable-pod${SLICED}.slice:cri-containerd:${ID}`, [UID]],
      [`/kubepods/pod${HASH}/${OTHER_ID}/kubepods/pod${UID}/${ID}`, [UID, HASH]],
      [`${slice}/crio-conmon-${ID}.scope`, []],
      [`/system.slice/kubepods-fake.service`, []],
      [`/podman/pod${UID}`, []],
      [`/kubepods/burstable/podx`, []],
      [`/docker/${ID}`, []],
      ['/', []],
    ];
    for (const [path, uids] of cases)
      assert.deepEqual(
        podsOfCgroup(path).map(({ uid }) => uid),
        uids,
        path,
      );
    assert.equal(podsOfCgroup(`/kfix-n2${PATH}/x`)[0]?.path, `/kfix-n2/kubepods/burstable/pod${UID}`);
  });

  it('a pod has one id, from its first packet on, and its name later', async () => {
    const { identity, put, told, close } = await openCluster();
    const before = identity.ofCgroup(PATH);
    assert.equal(before?.id, endpointId('pod', UID));
    assert.deepEqual([before.kind, before.name, before.here], ['pod', '', true]);
    put('pods', pod({ containers: { web: ID, side: OTHER_ID } }));
    assert.deepEqual(
      told.updated.map(({ id, name }) => [id, name]),
      [[before.id, 'web-x1']],
    );
    assert.equal(told.changed, 0, 'answers about cgroups stay what they are');
    const after = identity.ofCgroup(`/kubepods/burstable/pod${UID}/${OTHER_ID}`);
    assert.equal(after, identity.ofCgroup(PATH), 'the same for both containers');
    assert.deepEqual(
      [...(after?.pod?.containers ?? [])].sort(),
      [
        [ID, 'web'],
        [OTHER_ID, 'side'],
      ].sort(),
    );
    assert.equal(after?.containerId, '', 'it has two');
    close();
  });

  it('a pod of which nothing can be told any more is unknown, not stale, and may come back', async () => {
    const { identity, put, remove, at, close } = await openCluster();
    put('pods', pod({ address: '10.0.0.7' }));
    remove('pods', { metadata: { uid: UID, name: 'web-x1', namespace: 'shop' } });
    assert.deepEqual([at('10.0.0.7'), identity.ofCgroup(PATH)?.name], [undefined, '']);
    put('pods', pod({ address: '10.0.0.7' }));
    assert.deepEqual([at('10.0.0.7'), identity.ofCgroup(PATH)?.name], ['web-x1', 'web-x1']);
    close();
  });

  it('where the path has only the container, that tells', async () => {
    const { identity, put, told, close } = await openCluster();
    assert.equal(identity.ofCgroup(`/k8s.io/${ID}`), undefined, 'others may know it');
    put('pods', pod({ containers: { web: ID } }));
    identity.tick();
    assert.equal(told.changed, 1, 'and must be asked again');
    assert.equal(identity.ofCgroup(`/k8s.io/${ID}`)?.name, 'web-x1');
    assert.equal(identity.ofCgroup(`/k8s.io/${ID}`)?.containerId, ID);
    close();
  });

  it('hybrid: another hierarchy than v2 tells', async () => {
    const { identity, put, close } = await openCluster();
    put('pods', pod());
    assert.equal(identity.ofCgroup('/'), undefined);
    const process = { executable: 'nginx', cgroupPaths: ['/', '/user.slice', PATH] };
    assert.equal(identity.ofProcess('/', process)?.name, 'web-x1');
    assert.equal(
      identity.ofProcess('/', { executable: 'sshd', cgroupPaths: ['/system.slice/ssh.service'] }),
      undefined,
    );
    close();
  });

  it("static pods go by the hash that their node knows, another cluster's pods are left to others", async () => {
    const { identity, put, clock, told, close } = await openCluster();
    const annotations = { 'kubernetes.io/config.mirror': HASH, 'kubernetes.io/config.hash': HASH };
    const owner = { kind: 'Node', name: 'node-1', uid: 'n' };
    put('pods', pod({ name: 'etcd-node-1', annotations, owner }));
    const etcd = identity.ofCgroup(`/kubepods/pod${HASH}/${ID}`);
    assert.deepEqual(
      [etcd?.id, etcd?.workload, etcd?.pod?.workloadKind],
      [endpointId('pod', HASH), 'etcd', 'StaticPod'],
    );
    const foreign = '/kubepods/pod99999999-aaaa-4bbb-8ccc-000000000009/x';
    assert.equal(identity.ofCgroup(foreign)?.kind, 'pod');
    clock.ms += 61_000;
    identity.tick();
    assert.equal(identity.ofCgroup(foreign), undefined);
    assert.equal(told.changed, 1);
    put('pods', podObject({ uid: '99999999-aaaa-4bbb-8ccc-000000000009', name: 'late' }));
    identity.tick();
    assert.deepEqual([told.changed, identity.ofCgroup(foreign)?.name], [2, 'late']);
    close();
  });
});

it('a pod is told to end, and the cgroup of one here is known, however many others were told of meanwhile', async () => {
  const { identity, cluster, put, remove, told, at, close } = await openCluster('node-1', 10);
  const far = { uid: '1f2e3d4c-aaaa-4bbb-8ccc-000000000002', name: 'far', address: '10.0.1.0', runningMs: T - 9000 };
  put('pods', pod(), podObject(far));
  assert.deepEqual([identity.ofCgroup(PATH)?.name, at(far.address)], ['web-x1', 'far']);
  for (let number = 1; number <= 50; number += 1) {
    const values = { uid: `${number}`.padStart(36, '0'), name: `p${number}`, address: `10.0.0.${number}` };
    put('pods', podObject({ ...values, runningMs: T - 9000 }));
    assert.equal(at(values.address), values.name);
  }
  assert.deepEqual(told.ended, []);
  remove('pods', podObject({ ...far, deletionMs: T - 1000 }));
  assert.deepEqual(
    told.ended.map(({ id }) => id),
    [endpointId('pod', far.uid)],
  );
  assert.match(identity.identityOf(cluster.pods.find(UID)).cgroupPath, new RegExp(UID));
  close();
});

it('who is unknown is not another cluster’s because the API server is not heard', async () => {
  const { identity, feed, put, clock, told, close } = await openCluster();
  const uid = '99999999-aaaa-4bbb-8ccc-000000000009';
  const kind = () => {
    identity.tick();
    return identity.ofCgroup(`/kubepods/pod${uid}/x`)?.kind;
  };
  const minutes = (count: number) => {
    clock.ms += count * 60_000;
  };
  feed.heardToMs = clock.ms + 59_000;
  assert.equal(kind(), 'pod');
  minutes(10);
  assert.equal(kind(), 'pod', 'silent');
  feed.heardFromMs = clock.ms;
  feed.heardToMs = Number.POSITIVE_INFINITY;
  assert.equal(kind(), 'pod', 'heard again just now: the news of ten minutes may be on their way');
  put('pods', podObject({ uid, name: 'late' }));
  assert.deepEqual(
    told.updated.map(({ name }) => name),
    ['late'],
  );
  assert.equal(identity.ofCgroup('/kubepods/pod88888888-aaaa-4bbb-8ccc-000000000008/x')?.kind, 'pod');
  minutes(1);
  identity.tick();
  assert.equal(identity.ofCgroup('/kubepods/pod88888888-aaaa-4bbb-8ccc-000000000008/x'), undefined);
  close();
});

describe('workloads', () => {
  const ofPod = async (values: Partial<PodValues>, ...owners: ['replicasets' | 'jobs', unknown][]) => {
    const { identity, put, close } = await openCluster();
    for (const [resource, object] of owners) put(resource, object);
    put('pods', pod(values));
    const told = identity.ofCgroup(PATH);
    close();
    return `${told?.pod?.workloadKind}/${told?.workload}`;
  };

  it('Deployment, StatefulSet, DaemonSet, CronJob, Job, ReplicaSet, bare and foreign owners', async () => {
    const set = { kind: 'ReplicaSet', name: 'web-5d4', uid: 'rs' };
    const deployment = { kind: 'Deployment', name: 'web', uid: 'd' };
    const job = { kind: 'Job', name: 'backup-123', uid: 'j' };
    assert.equal(
      await ofPod({ owner: set }, ['replicasets', ownedObject('rs', 'web-5d4', { ...deployment, name: 'other' })]),
      'Deployment/other',
    );
    assert.equal(await ofPod({ owner: set, labels: { 'pod-template-hash': '5d4' } }), 'Deployment/web');
    const usual: ['replicasets', unknown] = ['replicasets', ownedObject('rs', 'web-5d4', deployment)];
    assert.equal(await ofPod({ owner: set, labels: { 'pod-template-hash': '5d4' } }, usual), 'Deployment/web');
    const bare: ['replicasets', unknown] = ['replicasets', ownedObject('rs', 'web-5d4')];
    assert.equal(await ofPod({ owner: set, labels: { 'pod-template-hash': '5d4' } }, bare), 'ReplicaSet/web-5d4');
    assert.equal(await ofPod({ owner: set }), 'ReplicaSet/web-5d4');
    const cron = { kind: 'CronJob', name: 'backup', uid: 'c' };
    assert.equal(await ofPod({ owner: job }, ['jobs', ownedObject('j', 'backup-123', cron)]), 'CronJob/backup');
    assert.equal(await ofPod({ owner: job }, ['jobs', ownedObject('j', 'backup-123')]), 'Job/backup-123');
    for (const kind of ['StatefulSet', 'DaemonSet', 'Rollout'])
      assert.equal(await ofPod({ owner: { kind, name: 'db', uid: 'x' } }), `${kind}/db`);
    assert.equal(await ofPod({}), 'Pod/web-x1');
  });

  it('an owner that is told of after its pod is told on', async () => {
    const { identity, put, told, close } = await openCluster();
    put('pods', pod({ owner: { kind: 'Job', name: 'backup-1', uid: 'j' } }));
    assert.equal(identity.ofCgroup(PATH)?.workload, 'backup-1');
    put('jobs', ownedObject('j', 'backup-1', { kind: 'CronJob', name: 'backup', uid: 'c' }));
    identity.tick();
    assert.deepEqual(
      told.updated.map(({ workload }) => workload),
      ['backup'],
    );
    close();
  });
});

describe('services and nodes', () => {
  const open = async () => {
    const opened = await openCluster();
    const dialled = (address: string, port: number, { protocol = 6, isHere = false } = {}) => {
      const found = opened.identity.dialled(protocol, addressBytes(address), port, isHere);
      return found && `${found.namespace}/${found.name}:${found.port}`;
    };
    return { ...opened, dialled };
  };

  it('cluster, external, load-balancer addresses and node ports', async () => {
    const { put, remove, dialled, close } = await open();
    const web = serviceObject({
      ...{ name: 'web', addresses: ['10.96.0.1'], external: ['203.0.113.7'], balancers: ['203.0.113.8'] },
      ports: [
        { name: 'http', port: 80, nodePort: 30_080 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    });
    put(
      'services',
      web,
      serviceObject({ name: 'tls', addresses: ['10.96.0.2'], external: ['203.0.113.7'], ports: [{ port: 443 }] }),
    );
    put('nodes', nodeObject('node-1', 'n1', ['192.0.2.1']));
    assert.equal(dialled('10.96.0.1', 80), 'shop/web:80');
    assert.equal(dialled('10.96.0.1', 53, { protocol: 17 }), 'shop/web:53');
    assert.equal(dialled('10.96.0.1', 81), 'shop/web:0', 'its address, though not a port of it');
    assert.equal(dialled('203.0.113.7', 443), 'shop/tls:443', 'one address, two services');
    assert.equal(dialled('203.0.113.7', 1), undefined, 'neither');
    const third = { name: 'mail', addresses: ['10.96.0.3'], external: ['203.0.113.7'], ports: [{ port: 25 }] };
    put('services', serviceObject({ ...third, balancers: ['203.0.113.9'] }));
    assert.equal(dialled('203.0.113.7', 25), 'shop/mail:25');
    assert.equal(dialled('203.0.113.7', 1), undefined, 'none of three');
    assert.equal(dialled('203.0.113.9', 1), 'shop/mail:0', 'the only one there');
    put('services', serviceObject({ ...third, external: ['203.0.113.9'], balancers: ['203.0.113.9'] }));
    assert.equal(dialled('203.0.113.9', 1), 'shop/mail:0', 'told twice');
    assert.equal(dialled('203.0.113.8', 80), 'shop/web:80');
    assert.equal(dialled('192.0.2.1', 30_080), 'shop/web:80');
    assert.equal(dialled('192.0.2.9', 30_080), undefined, 'no node');
    assert.equal(dialled('192.0.2.9', 30_080, { isHere: true }), 'shop/web:80', 'another address of this one');
    put('services', serviceObject({ name: 'edge', balancers: ['192.0.2.1'], ports: [{ port: 443 }] }));
    assert.equal(dialled('192.0.2.1', 443), 'shop/edge:443', "a node's address that a service borrows");
    assert.equal(dialled('192.0.2.1', 22), undefined, 'which has other ports of its own');
    remove('services', web);
    assert.deepEqual([dialled('10.96.0.1', 80), dialled('192.0.2.1', 30_080)], [undefined, undefined]);
    close();
  });

  it('EndpointSlices tell which services lead to a pod, and moves are told on once', async () => {
    const { identity, put, remove, told, close } = await openCluster();
    put('pods', pod({ address: '10.0.0.7' }));
    put('endpointslices', sliceObject('a', 'web', ['10.0.0.7', '10.0.0.8']), sliceObject('b', 'all', ['10.0.0.7']));
    assert.deepEqual(identity.ofCgroup(PATH)?.pod?.services, ['all', 'web']);
    put('endpointslices', sliceObject('a', 'web', ['10.0.0.7', '10.0.0.9']));
    assert.equal(told.updated.length, 0, 'nothing of it has changed');
    remove('endpointslices', sliceObject('b', 'all', []));
    assert.deepEqual(
      told.updated.map((one) => one.pod?.services),
      [['web']],
    );
    close();
  });

  it("a pod has its node's zone, also when the node is told of later", async () => {
    const { identity, put, told, close } = await openCluster();
    put('pods', pod({ node: 'node-9' }));
    assert.equal(identity.ofCgroup(PATH)?.pod?.zone, '');
    put('nodes', nodeObject('node-9', 'n9', ['192.0.2.9'], 'west'));
    assert.equal(told.updated.at(-1)?.pod?.zone, 'west');
    const own = () => identity.ownNode?.id;
    assert.equal(own(), undefined);
    put('nodes', nodeObject('node-1', 'n1', ['192.0.2.1']));
    assert.equal(own(), endpointId('node', 'n1'));
    close();
  });
});

it('while nobody has been told where pods are, no address is an outside one', async () => {
  const { identity, feed, clock, at, close } = await openCluster();
  feed.synced = false;
  assert.equal(at('10.0.0.7'), '?');
  clock.ms = T + 31_000;
  assert.equal(at('10.0.0.7'), undefined, 'without the API server the configured ranges hold');
  assert.equal(identity.ofCgroup('/system.slice/ssh.service'), undefined);
  close();
});
