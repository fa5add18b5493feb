/** What a policy denies stays denied while one release takes the place of another, whose maps are laid out otherwise. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { builtTestProgram } from '../../native/build.ts';
import { whyNot } from '../../support/flowspan.ts';
import { PolicyWorld } from './scene.ts';

const DENY = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: port-80, namespace: shop}
spec: {podSelector: {matchLabels: {app: back}}, ingress: [{ports: [{port: 80}, {port: 80, protocol: UDP}]}]}
`;
const BATCH = 20;

describe('policies when the collector is replaced', { skip: whyNot() ?? false }, () => {
  let world: PolicyWorld;
  let other: string;
  before(async () => {
    other = builtTestProgram('other_dataplane.bpf.o');
    world = await PolicyWorld.create();
    world.write('policy.yaml', DENY);
    await world.start('enforce');
    await world.judged();
  });
  after(() => world?.end());

  it('let nothing through that they deny, and all that they allow', async () => {
    const outcomes = { denied: new Set<string>(), allowed: new Set<string>() };
    let [isOver, batches] = [false, 0];
    const asking = (async () => {
      while (!isOver) {
        for (const [port, told] of [
          [81, outcomes.denied],
          [80, outcomes.allowed],
        ] as const) {
          const orders = (['send', 'connect'] as const).flatMap((word) =>
            Array.from({ length: BATCH }, () => ({ do: word, host: world.at[4], port })),
          );
          for (const outcome of await world.client.tell(...orders)) told.add(outcome);
        }
        batches += 1;
      }
    })();
    await world.start('enforce', { FLOWSPAN_COLLECTOR_DATAPLANE_OBJECT: other });
    await world.judged();
    await world.start('enforce');
    await world.judged();
    isOver = true;
    await asking;
    assert.ok(batches > 5, `${batches} batches`);
    assert.deepEqual(outcomes, { denied: new Set(['nothing']), allowed: new Set(['ok']) });
  });
});
