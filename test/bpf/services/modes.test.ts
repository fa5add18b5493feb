/** What each mode does, what policies and node ports mean to clients of a node, and clients that keep their backend. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EndpointSpec, type ServiceSpec, service, slice } from './objects.ts';
import { createServiceScene, NODE, type ServiceScene } from './scene.ts';

const BACKENDS = { a: 9001, b: 9002 };
const VIP = '10.96.0.10';
const NODE_PORT = 30_080;

describe('a service', () => {
  let scene: ServiceScene;
  let host: string;
  before(async () => {
    scene = await createServiceScene(BACKENDS);
    host = scene.addresses.b.ipv4;
  });
  beforeEach(() => scene.apply([]));
  after(() => scene?.end());

  /** The service with backends `a` and `b`, of which more is said. */
  const web = (spec: ServiceSpec = {}, a: Partial<EndpointSpec> = {}, b: Partial<EndpointSpec> = {}): unknown[] => [
    service('web', [VIP], spec),
    slice('web', BACKENDS.a, [{ address: host, ...a }]),
    slice('web', BACKENDS.b, [{ address: host, ...b }]),
  ];
  const dial = (to = VIP, port = 80) => scene.talker.tell({ do: 'connect', host: to, port, id: 'one' });
  const hangUp = () => scene.talker.tell({ do: 'close', id: 'one' });

  /** Choices in enforce and in audit, by reason. */
  const counted = (): number[] => {
    const map = scene.object.map('service_choice_counters');
    const { values, count } = map.entries();
    const sums: number[] = [];
    for (let at = 0; at < count; at += 1) {
      let sum = 0n;
      for (let cpu = at * map.valueStride; cpu < (at + 1) * map.valueStride; cpu += 8)
        sum += values.readBigUInt64LE(cpu);
      sums.push(Number(sum));
    }
    return sums;
  };

  describe('mode', () => {
    it('observe does nothing and records nothing', async () => {
      scene.apply(web(), { mode: 'observe' });
      const before = counted();
      assert.equal((await dial()).error, 'ENETUNREACH');
      assert.deepEqual(counted(), before);
      assert.equal(scene.object.map('service_frontends').entries().count, 0);
    });

    it('audit records the choice and leaves the connection as it is', async () => {
      scene.client.namespace.run('ip', 'route', 'replace', 'local', VIP, 'dev', 'lo');
      scene.apply([service('web', [VIP]), slice('web', BACKENDS.a, [host])], { mode: 'audit' });
      const before = counted();
      assert.equal((await dial()).error, 'ECONNREFUSED', 'nobody listens at the address itself');
      const after = counted();
      assert.deepEqual(
        after.flatMap((count, at) => (count === before[at] ? [] : [[at, count - before[at]!]])),
        [[8 + 4, 1]],
        'only_one, in audit',
      );
      assert.deepEqual(scene.refusals(), []);
      scene.client.namespace.run('ip', 'route', 'del', 'local', VIP, 'dev', 'lo');
    });

    it('audit tells a refusal and refuses nobody', async () => {
      scene.apply([service('web', [VIP])], { mode: 'audit' });
      assert.equal((await dial()).error, 'ENETUNREACH');
      const refusal = scene.refusals().find(({ mode }) => mode === 'audit');
      assert.deepEqual([refusal?.reason, refusal?.frontend], ['no_backend', `${VIP} 80`]);
    });

    it('may change while a connection lives', async () => {
      scene.apply(web());
      const { answer } = await dial();
      assert.ok(answer === 'a' || answer === 'b');
      for (const mode of ['audit', 'observe', 'enforce'] as const) {
        scene.apply(web(), { mode });
        assert.equal((await scene.talker.tell({ do: 'say', id: 'one', word: mode })).answer, mode);
      }
      await hangUp();
    });
  });

  describe('with traffic policy Local', () => {
    const local = { internalTrafficPolicy: 'Local' };

    it('has the backends of its node alone', async () => {
      scene.apply(web(local, { nodeName: NODE.name }, { nodeName: 'node-2' }));
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 20))], [['a', 20]]);
      await dial();
      assert.deepEqual(
        (await scene.choices(1)).map(({ reason }) => reason),
        ['only_one'],
      );
      await hangUp();
    });

    it('says that several were local', async () => {
      scene.apply(web(local, { nodeName: NODE.name }, { nodeName: NODE.name }));
      await dial();
      assert.deepEqual(
        (await scene.choices(1)).map(({ reason, candidates }) => [reason, candidates]),
        [['local', 2]],
      );
      await hangUp();
    });

    it('refuses where other nodes alone have backends, and says so', async () => {
      scene.apply(web(local, { nodeName: 'node-2' }, { nodeName: 'node-2' }));
      assert.equal((await dial()).error, 'ECONNREFUSED');
      assert.ok(scene.refusals().some(({ reason }) => reason === 'no_local_backend'));
    });
  });

  describe('with backends that end', () => {
    const ending = { conditions: { ready: false, serving: true, terminating: true } };
    const unready = { conditions: { ready: false, serving: false, terminating: false } };

    it('uses those that are ready', async () => {
      scene.apply(web({}, ending, {}));
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 20))], [['b', 20]]);
    });

    it('uses those that still serve when none is ready', async () => {
      scene.apply(web({}, ending, unready));
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 20))], [['a', 20]]);
    });
  });

  describe('with session affinity', () => {
    const affinity = {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
    };

    it('brings a client to the backend that it had, while that is a candidate', async () => {
      scene.apply(web(affinity));
      const first = (await dial()).answer!;
      await hangUp();
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 30))], [[first, 30]]);
      await dial();
      assert.deepEqual(
        (await scene.choices(1)).map(({ reason, candidates }) => [reason, candidates]),
        [['affinity', 2]],
      );
      await hangUp();
      const [kept, left] = first === 'a' ? (['b', 'a'] as const) : (['a', 'b'] as const);
      const without = web(affinity).filter((_, at) => at === 0 || at === (kept === 'a' ? 1 : 2));
      scene.apply(without);
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 5))], [[kept, 5]]);
      scene.apply(web(affinity));
      assert.deepEqual([...(await scene.talker.connectMany(VIP, 80, 20))], [[kept, 20]], `${left} is back, too late`);
    });

    it('forgets a client that was away for longer than the timeout', async () => {
      scene.apply(web(affinity));
      await dial();
      await hangUp();
      await sleep(1200);
      await dial();
      assert.deepEqual(
        (await scene.choices(1)).map(({ reason }) => reason),
        ['hash'],
      );
      await hangUp();
    });
  });

  describe('with a node port', () => {
    const OTHER_NODE = '10.250.0.9';
    const spec = { type: 'NodePort', ports: [{ name: 'web', port: 80, nodePort: NODE_PORT }] };
    const nodes = () =>
      new Map([
        [scene.addresses.a.ipv4, { isOwn: true }],
        [OTHER_NODE, { isOwn: false }],
      ]);

    it('answers at the addresses of all nodes and at the own loopback', async () => {
      scene.apply(web(spec), { nodes: nodes() });
      for (const address of [scene.addresses.a.ipv4, OTHER_NODE, '127.0.0.1']) {
        const { answer, peer } = await dial(address, NODE_PORT);
        assert.ok(answer === 'a' || answer === 'b', `${address} ${answer}`);
        assert.equal(peer, `${address} ${NODE_PORT}`);
        await hangUp();
      }
      assert.equal((await dial('127.0.0.1', NODE_PORT + 1)).error, 'ECONNREFUSED');
    });

    it("is another node's to answer where its own backends alone count", async () => {
      const local = { ...spec, externalTrafficPolicy: 'Local' };
      scene.apply(web(local, { nodeName: NODE.name }, { nodeName: 'node-2' }), { nodes: nodes() });
      assert.equal((await dial(scene.addresses.a.ipv4, NODE_PORT)).answer, 'a');
      await hangUp();
      assert.equal((await dial(OTHER_NODE, NODE_PORT)).error, 'ENETUNREACH', 'not translated');
    });

    it('takes its port from nobody else', async () => {
      const bind = (address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp') =>
        scene.talker.tell({ do: 'bind', host: address, port, protocol });
      assert.deepEqual(await bind('0.0.0.0', NODE_PORT), {});
      scene.apply(web(spec), { mode: 'audit', nodes: nodes() });
      assert.deepEqual(await bind('0.0.0.0', NODE_PORT), {});
      assert.ok(scene.refusals().some(({ reason, mode }) => reason === 'node_port_bound' && mode === 'audit'));
      scene.apply(web(spec), { nodes: nodes() });
      for (const address of ['0.0.0.0', '127.0.0.1', '::'])
        assert.deepEqual(await bind(address, NODE_PORT), { error: 'EADDRINUSE' }, address);
      assert.deepEqual(await bind('::1', NODE_PORT), {}, 'no IPv6 service has it');
      assert.deepEqual(await bind('0.0.0.0', NODE_PORT, 'udp'), {});
      assert.deepEqual(await bind('0.0.0.0', NODE_PORT + 1), {});
    });
  });
});
