/** Connections to services: who answers, what the client is told, and what is on record. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../../deploy/lab/program.ts';
import { service, slice } from './objects.ts';
import { createServiceScene, type ServiceScene } from './scene.ts';

const BACKENDS = { a: 9001, b: 9002, c: 9003 };
const VIP = { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' };

describe('a connection to a service', () => {
  let scene: ServiceScene;
  before(async () => {
    scene = await createServiceScene(BACKENDS);
  });
  after(() => scene?.end());

  const both = Object.values(VIP);
  /** Slices of the service in both families, for backends by name. */
  const slices = (of: string, ...names: (keyof typeof BACKENDS)[]) =>
    names.flatMap((name) =>
      (['ipv4', 'ipv6'] as const).map((family) =>
        slice(of, BACKENDS[name], [scene.addresses.b[family]], { name: `${of}-${name}-${family}` }),
      ),
    );

  for (const family of ['ipv4', 'ipv6'] as const)
    it(`reaches every backend, and its peer is what was dialled: ${family}`, async () => {
      scene.apply([service('web', both), ...slices('web', 'a', 'b', 'c')]);
      const answers = await scene.talker.connectMany(VIP[family], 80, 60);
      assert.deepEqual([...answers.keys()].toSorted(), ['a', 'b', 'c']);
      for (const [name, count] of answers) assert.ok(count >= 6, `${name} answered ${count} of 60`);
      const { answer, peer } = await scene.talker.tell({ do: 'connect', host: VIP[family], port: 80, id: 'one' });
      assert.equal(peer, `${VIP[family]} 80`);
      const [choice] = await scene.choices(1);
      assert.equal(choice?.reason, 'hash');
      assert.equal(choice?.frontend, peer);
      assert.equal(choice?.candidates, 3);
      assert.equal(choice?.backend, `${scene.addresses.b[family]} ${BACKENDS[answer as keyof typeof BACKENDS]}`);
      const view = scene.tables().view(`shop/web:web/TCP/IPv${family === 'ipv4' ? 4 : 6}/Cluster`);
      assert.equal(choice?.version, view?.version);
      const slot = view?.slots[choice?.slot ?? -1];
      assert.equal(`${slot?.address} ${slot?.port}`, choice?.backend);
      await scene.talker.tell({ do: 'close', id: 'one' });
    });

  it('is told as IPv4 to a socket of the other family', async () => {
    scene.apply([service('web', both), ...slices('web', 'a')]);
    const { answer, peer } = await scene.talker.tell({ do: 'connect', host: `::ffff:${VIP.ipv4}`, port: 80 });
    assert.deepEqual({ answer, peer }, { answer: 'a', peer: `::ffff:${VIP.ipv4} 80` });
  });

  it('says why there was nothing to choose', async () => {
    scene.apply([service('web', both), ...slices('web', 'b')]);
    await scene.talker.tell({ do: 'connect', host: VIP.ipv4, port: 80, id: 'one' });
    const [choice] = await scene.choices(1);
    assert.deepEqual([choice?.reason, choice?.candidates], ['only_one', 1]);
    await scene.talker.tell({ do: 'close', id: 'one' });
  });

  it('is refused at once where nobody is, and the refusal is on record', async () => {
    scene.apply([service('web', both)]);
    const before = scene.refusals().length;
    const began = performance.now();
    for (const host of both) {
      const { error } = await scene.talker.tell({ do: 'connect', host, port: 80 });
      assert.equal(error, 'ECONNREFUSED');
    }
    assert.ok(performance.now() - began < 500);
    const refusals = scene.refusals();
    assert.equal(refusals.length, before + 2);
    for (const host of both) {
      const refusal = refusals.find(({ frontend }) => frontend === `${host} 80`);
      assert.deepEqual([refusal?.reason, refusal?.mode, refusal?.candidates], ['no_backend', 'enforce', 0]);
    }
  });

  it('goes on while its backend leaves, and the next goes elsewhere', async () => {
    scene.apply([service('web', both), ...slices('web', 'a', 'b', 'c')]);
    const open = new Map<string, string>();
    for (let at = 0; at < 12; at += 1) {
      const { answer } = await scene.talker.tell({ do: 'connect', host: VIP.ipv4, port: 80, id: `${at}` });
      open.set(`${at}`, answer ?? '');
    }
    assert.ok(new Set(open.values()).has('b'));
    scene.apply([service('web', both), ...slices('web', 'a', 'c')]);
    const answers = await scene.talker.connectMany(VIP.ipv4, 80, 30);
    assert.deepEqual([...answers.keys()].toSorted(), ['a', 'c']);
    scene.apply([]);
    for (const id of open.keys()) {
      const told = await scene.talker.tell({ do: 'say', id, word: `still ${id}` });
      assert.deepEqual(told, { answer: `still ${id}`, peer: `${VIP.ipv4} 80` });
      await scene.talker.tell({ do: 'close', id });
    }
  });

  it('to what is no service any more is left alone', async () => {
    scene.apply([service('web', both), ...slices('web', 'a')]);
    scene.apply([]);
    // The namespace has no route there.
    const { error } = await scene.talker.tell({ do: 'connect', host: VIP.ipv4, port: 80 });
    assert.equal(error, 'ENETUNREACH');
    for (const map of ['service_frontends', 'node_addresses'])
      assert.equal(scene.object.map(map).entries().count, 0, map);
    for (const [map, used] of [
      ['services', 24],
      ['service_backends', 24],
    ] as const) {
      const { values, count } = scene.object.map(map).entries();
      for (let at = 0; at < count; at += 1) {
        const entry = values.subarray(at * used, at * used + 8);
        assert.ok(
          entry.every((byte) => byte === 0),
          `${map} ${at} is free`,
        );
      }
    }
  });

  it('meets a whole table however often it changes', async () => {
    const names = ['a', 'b', 'c'] as const;
    scene.apply([service('web', both), ...slices('web', 'a')]);
    let ended = false;
    const connecting = scene.talker.connectMany(VIP.ipv4, 80, 300).finally(() => {
      ended = true;
    });
    let changes = 0;
    for (; !ended; changes += 1) {
      // Never without `a`, with more and fewer beside it, so that tables move, grow and shrink.
      const some = names.filter((name, bit) => name === 'a' || (changes >> bit) & 1);
      const other = slices('other', ...names.slice(0, changes % 4));
      scene.apply([service('web', both), ...slices('web', ...some), service('other', ['10.96.0.11']), ...other]);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const answers = await connecting;
    assert.deepEqual([...answers.keys()].toSorted(), ['a', 'b', 'c']);
    assert.ok(changes > 20, `${changes} changes`);
  });

  it('is balanced as before by a run that takes up what another has written', async () => {
    const objects = [service('web', both), ...slices('web', 'a', 'b', 'c'), service('empty', ['10.96.0.12'])];
    scene.apply(objects);
    const id = 'shop/web:web/TCP/IPv4/Cluster';
    const { version, slots } = scene.tables().view(id)!;
    scene.restart();
    scene.apply(objects);
    const after = scene.tables().view(id);
    assert.deepEqual({ version: after?.version, slots: after?.slots }, { version, slots });
    scene.restart();
    scene.apply([service('web', both), ...slices('web', 'b', 'c')]);
    assert.equal(scene.tables().view(id)?.version, version + 1);
    const answers = await scene.talker.connectMany(VIP.ipv4, 80, 30);
    assert.deepEqual([...answers.keys()].toSorted(), ['b', 'c']);
  });

  it("from outside the cgroup is nobody's of ours", async () => {
    scene.apply([service('web', both), ...slices('web', 'a')]);
    const refused = scene.object.map('service_choice_counters').entries().values;
    await assert.rejects(
      run({ namespace: scene.client.namespace }, [
        'python3',
        '-c',
        `import socket; socket.create_connection(("${VIP.ipv4}", 80))`,
      ]),
      /Network is unreachable/,
    );
    assert.deepEqual(scene.object.map('service_choice_counters').entries().values, refused);
  });
});
