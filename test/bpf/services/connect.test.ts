/** Connections to services: who answers, what the client is told, and what is on record. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
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
      const [choice, ...others] = scene.choices();
      assert.deepEqual(others, []);
      assert.equal(choice?.reason, 'hash');
      assert.equal(choice?.frontend, peer);
      assert.equal(choice?.candidates, 3);
      assert.equal(choice?.backend, `${scene.addresses.b[family]} ${BACKENDS[answer as keyof typeof BACKENDS]}`);
      const view = scene.tables.view(`shop/web:web/TCP/IPv${family === 'ipv4' ? 4 : 6}/Cluster`);
      assert.equal(choice?.version, view?.version);
      const slot = view?.slots[choice?.slot ?? -1];
      assert.equal(`${slot?.address} ${slot?.port}`, choice?.backend);
      await scene.talker.tell({ do: 'close', id: 'one' });
    });
});
