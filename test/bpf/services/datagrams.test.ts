/** Datagrams to services: one socket may talk to many, and hears each from where it spoke to. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { service, slice } from './objects.ts';
import { createServiceScene, type ServiceScene } from './scene.ts';

const BACKENDS = { a: 9001, b: 9002, c: 9003, d: 9004 };
type Name = keyof typeof BACKENDS;
const PORTS = { ports: [{ name: 'web', port: 53, protocol: 'UDP' }] };
const ONE = { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' };
const OTHER = { ipv4: '10.96.0.20', ipv6: 'fd00:96::20' };

describe('a datagram to a service', () => {
  let scene: ServiceScene;
  before(async () => {
    scene = await createServiceScene(BACKENDS);
  });
  after(() => scene?.end());

  const slices = (of: string, ...names: Name[]) =>
    names.flatMap((name) =>
      (['ipv4', 'ipv6'] as const).map((family) =>
        slice(of, BACKENDS[name], [scene.addresses.b[family]], { protocol: 'UDP', name: `${of}-${name}-${family}` }),
      ),
    );
  const apply = (one: Name[], other: Name[]) =>
    scene.apply([
      service('one', Object.values(ONE), PORTS),
      ...slices('one', ...one),
      service('other', Object.values(OTHER), PORTS),
      ...slices('other', ...other),
    ]);
  const send = (id: string, host: string, connected = false) =>
    scene.talker.tell({ do: 'send', id, host, port: 53, connected, word: host });
  const close = (id: string) => scene.talker.tell({ do: 'close', id });

  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`is answered from what was dialled, of several services to one socket: ${family}`, async () => {
      apply(['a', 'b'], ['c', 'd']);
      const seen = new Set<string>();
      for (let socket = 0; socket < 16; socket += 1) {
        const id = `many ${socket}`;
        const answers: string[] = [];
        for (const host of [ONE[family], OTHER[family], ONE[family], OTHER[family]]) {
          const { answer, peer, error } = await send(id, host);
          assert.equal(error, undefined);
          assert.equal(peer, `${host} 53`);
          assert.equal(answer?.slice(2), host);
          answers.push(answer![0]!);
        }
        assert.equal(answers[0], answers[2], 'a socket keeps its backend');
        assert.equal(answers[1], answers[3]);
        for (const answer of answers) seen.add(answer);
        await close(id);
      }
      assert.deepEqual([...seen].toSorted(), ['a', 'b', 'c', 'd']);
    });

    it(`of a connected socket is answered from its peer: ${family}`, async () => {
      apply(['a', 'b'], ['c']);
      const { answer, peer } = await send('connected', ONE[family], true);
      assert.match(answer ?? '', /^[ab] /);
      assert.equal(peer, `${ONE[family]} 53`);
      assert.deepEqual(
        (await scene.choices(1)).map(({ frontend, reason }) => [frontend, reason]),
        [[`${ONE[family]} 53`, 'hash']],
      );
      await close('connected');
    });
  }

  it('stays with its backend while others come, and goes elsewhere when it leaves', async () => {
    apply(['a'], []);
    const first = await send('long', ONE.ipv4);
    assert.equal(first.answer?.[0], 'a');
    apply(['a', 'b', 'c', 'd'], []);
    for (let time = 0; time < 3; time += 1) assert.equal((await send('long', ONE.ipv4)).answer?.[0], 'a');
    apply(['b'], []);
    const next = await send('long', ONE.ipv4);
    assert.equal(next.answer?.[0], 'b');
    assert.equal(next.peer, `${ONE.ipv4} 53`);
    await close('long');
  });

  it('is refused where nobody is, until somebody is', async () => {
    apply(['a'], []);
    assert.equal((await send('lone', OTHER.ipv4)).error, 'ECONNREFUSED');
    assert.equal((await send('lone connected', OTHER.ipv6, true)).error, 'ECONNREFUSED');
    assert.ok(scene.refusals().some(({ frontend }) => frontend === `${OTHER.ipv4} 53`));
    apply(['a'], ['c']);
    assert.equal((await send('lone', OTHER.ipv4)).answer?.[0], 'c');
    for (const id of ['lone', 'lone connected']) await close(id);
  });

  it('to no service is as it was', async () => {
    apply(['a'], []);
    const host = scene.addresses.b.ipv4;
    const { answer, peer } = await scene.talker.tell({ do: 'send', id: 'plain', host, port: BACKENDS.b });
    assert.deepEqual([answer?.[0], peer], ['b', `${host} ${BACKENDS.b}`]);
    await close('plain');
  });

  it('in audit is recorded, and goes where it was sent', async () => {
    scene.apply([service('one', [ONE.ipv4], PORTS), ...slices('one', 'a').slice(0, 1)], { mode: 'audit' });
    assert.equal((await send('audited', ONE.ipv4)).error, 'ENETUNREACH');
    const [choice] = scene.datagrams().filter(({ mode }) => mode === 'audit');
    assert.deepEqual(
      [choice?.reason, choice?.frontend, choice?.backend],
      ['only_one', `${ONE.ipv4} 53`, `${scene.addresses.b.ipv4} ${BACKENDS.a}`],
    );
    await close('audited');
  });
});
