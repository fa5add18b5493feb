/** What is kept of the API server's objects, whatever they hold. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNode, readPod, readService, readSlice } from '../../../collector/src/control/kubernetes/objects.ts';
import { openCluster } from './support/cluster.ts';
import { nodeObject, podObject, serviceObject } from './support/objects.ts';

const UID = '11111111-2222-4333-8444-555555555555';
const ID = 'ab'.repeat(32);

describe('objects of the API server', () => {
  it('a pod is read with its times, containers and addresses', () => {
    const pod = readPod(
      podObject({
        ...{ uid: UID, name: 'web-1', addresses: ['10.0.0.9', 'fd00::9'], labels: { app: 'web' } },
        annotations: { 'resource.opentelemetry.io/service.name': 'front', other: 'x' },
        ...{ containers: { web: ID }, startedMs: 5000, runningMs: 7999, deletionMs: 60_000, graceS: 30 },
      }),
    );
    assert.deepEqual(pod?.addresses, ['10.0.0.9', 'fd00::9']);
    assert.deepEqual(pod?.containers, [{ id: ID, name: 'web' }]);
    assert.deepEqual([...(pod?.images ?? [])], [['web', 'registry/web:1']]);
    assert.deepEqual([...(pod?.resourceAttributes ?? [])], [['service.name', 'front']]);
    assert.deepEqual([pod?.startedMs, pod?.runningMs, pod?.stoppedMs], [5000, 7000, Number.NaN]);
    assert.equal(pod?.deletionMs, 60_000, 'when it was asked for, not when it must be over');
  });

  it('all containers must have stopped, and a container that never ran has no time', () => {
    const state = (finishedAt: string | undefined) =>
      finishedAt === undefined
        ? { running: { startedAt: '2026-01-02T03:04:05Z' } }
        : { terminated: { startedAt: '1970-01-01T00:00:00Z', finishedAt } };
    const statusOf = (...ends: (string | undefined)[]) =>
      readPod({
        metadata: { uid: UID, name: 'p' },
        status: { containerStatuses: ends.map((end) => ({ state: state(end) })) },
      });
    assert.equal(statusOf('2026-01-02T03:04:06Z', undefined)?.stoppedMs, Number.NaN);
    assert.equal(statusOf('2026-01-02T03:04:06Z', '2026-01-02T03:04:07Z')?.stoppedMs, Date.UTC(2026, 0, 2, 3, 4, 7));
    assert.equal(statusOf('2026-01-02T03:04:06Z')?.runningMs, Number.NaN);
  });

  it('an init container that is over takes no part, one that runs on does', () => {
    const id = (letter: string) => `containerd://${letter.repeat(64)}`;
    const pod = readPod({
      metadata: { uid: UID, name: 'p' },
      status: {
        initContainerStatuses: [
          { name: 'setup', containerID: id('a'), state: { terminated: { finishedAt: '2026-01-02T03:04:06Z' } } },
          { name: 'mesh', containerID: id('b'), state: { running: { startedAt: '2026-01-02T03:04:06Z' } } },
        ],
        containerStatuses: [{ name: 'web', containerID: id('c'), state: { running: {} } }],
      },
    });
    assert.deepEqual(
      pod?.containers.map(({ name }) => name),
      ['mesh', 'web'],
    );
  });

  it("addresses of the node are not the pod's", () => {
    const pod = readPod(podObject({ uid: UID, address: '192.0.2.1', hostAddress: '192.0.2.1' }));
    assert.deepEqual(pod?.addresses, []);
  });

  it('a service has all addresses that it is dialled at, a headless one none', () => {
    const service = readService(
      serviceObject({
        ...{ name: 'web', addresses: ['10.96.0.1', 'fd01::1'], external: ['203.0.113.7'], balancers: ['203.0.113.8'] },
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_053 },
          { port: 80 },
          { port: 'x', nodePort: 1e9 },
        ],
      }),
    );
    assert.deepEqual(service?.addresses, ['10.96.0.1', 'fd01::1', '203.0.113.7', '203.0.113.8']);
    assert.deepEqual(service?.ports, [
      { name: 'dns', protocol: 17, port: 53, nodePort: 30_053 },
      { name: '', protocol: 6, port: 80, nodePort: 0 },
      { name: '', protocol: 6, port: 0, nodePort: 0 },
    ]);
    assert.deepEqual(readService(serviceObject({ name: 'headless' }))?.addresses, []);
  });

  it('a node has its zone and its own addresses, not its names', () => {
    assert.deepEqual(readNode(nodeObject('n', 'u', ['192.0.2.1'], 'west-1')), {
      ...{ uid: 'u', name: 'n', namespace: '', addresses: ['192.0.2.1'], zone: 'west-1' },
    });
  });
});

describe('hostile objects', () => {
  const hostile = (count: number) =>
    JSON.parse(
      `{"metadata":{"uid":"${UID}","name":"p","namespace":"constructor","__proto__":{"polluted":1},"labels":{"__proto__":"x","constructor":"y",` +
        `${Array.from({ length: count }, (_, index) => `"l${index}":"${index}"`).join(',')}},` +
        `"annotations":{"__proto__":{"polluted":1},"big":"${'x'.repeat(1_500_000)}"}},` +
        `"spec":{"__proto__":{"hostNetwork":true},"nodeName":"__proto__"},"status":{"podIP":"10.0.0.1","containerStatuses":[{"containerID":"containerd://${ID}","name":"__proto__"}]}}`,
    ) as unknown;

  it('keys of theirs are keys of nothing else, and what is kept is bounded', async () => {
    const { put, identity, at, close } = await openCluster();
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    put('pods', hostile(10_000));
    assert.equal(at('10.0.0.1'), 'p');
    const told = identity.ofCgroup(`/kubepods/pod${UID}/${ID}`);
    assert.equal(told?.pod?.hostNetwork, false);
    assert.equal(told?.pod?.node, '__proto__');
    assert.equal(told?.pod?.containers.get(ID), '__proto__');
    assert.ok(Object.keys(told?.labels ?? {}).length <= 64);
    assert.equal(told?.labels.constructor, 'y');
    assert.equal(told?.labels.toString, undefined, 'no prototype lies behind labels');
    assert.equal(Object.getOwnPropertyDescriptor(told?.labels ?? {}, '__proto__')?.value, 'x');
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
    assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
    close();
  });

  it('anything else than an object of its kind is passed over', async () => {
    const { put, cluster, close } = await openCluster();
    const odd: unknown[] = [null, 1, 'x', [], {}, { metadata: null }, { metadata: { uid: 5, name: 'x' } }];
    for (const resource of [
      'pods',
      'services',
      'endpointslices',
      'nodes',
      'namespaces',
      'replicasets',
      'jobs',
    ] as const)
      put(resource, ...odd);
    assert.equal(cluster.unreadable, 7 * odd.length);
    const half = {
      metadata: { uid: UID, name: 'p', labels: [], ownerReferences: {}, annotations: 5 },
      spec: [],
      status: 'x',
    };
    put('pods', half);
    put('services', half, {
      metadata: { uid: 's', name: 's' },
      spec: { clusterIPs: [{}, '999.1.1.1', 'x'], ports: [null] },
    });
    put('endpointslices', {
      metadata: { uid: 'e', name: 'e' },
      endpoints: [null, { addresses: [7] }, { addresses: {} }],
    });
    assert.equal(cluster.pods.count, 1);
    assert.equal(cluster.services.count, 2);
    close();
  });

  it('texts that are too long or no Unicode are not there', () => {
    assert.equal(readPod({ metadata: { uid: UID, name: 'x'.repeat(254) } }), undefined);
    assert.equal(readPod({ metadata: { uid: UID, name: 'a\ud800' } }), undefined);
    const labels = { [`k${'x'.repeat(400)}`]: 'v', ok: 'v', long: 'x'.repeat(64) };
    assert.deepEqual([...(readPod({ metadata: { uid: UID, name: 'p', labels } })?.labels ?? [])], [['ok', 'v']]);
    const slice = readSlice({
      metadata: { uid: 'e', name: 'e', labels: { 'kubernetes.io/service-name': 's' } },
      endpoints: Array.from({ length: 5000 }, (_, index) => ({ addresses: [`10.0.${index >> 8}.${index & 255}`] })),
    });
    assert.equal(slice?.addresses.length, 1000);
  });

  it('names with every legal character come back as they are', async () => {
    const { put, at, close } = await openCluster();
    const names = [
      'a',
      '0',
      'a-b.c-9',
      `${'a'.repeat(60)}.${'b'.repeat(60)}-x`,
      `${'a'.repeat(253)}`,
      'x-',
      'web-12345678',
      'web-123456789',
    ];
    for (const [index, name] of names.entries())
      put('pods', podObject({ uid: `odd-${index}`, name, address: `10.0.0.${index}` }));
    assert.deepEqual(
      names.map((_, index) => at(`10.0.0.${index}`)),
      names,
    );
    close();
  });
});
