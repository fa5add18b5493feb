/** Where policies end: UDP flows that are idle, and records for which there is no room. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkPolicy } from '../../collector/policy/support/manifests.ts';
import { model } from '../../collector/policy/support/world.ts';
import { PolicyScene } from './scene.ts';

const IDLE_MS = 300;
const RECORDS = 4;

describe('bounds of policies in the kernel', () => {
  let scene: PolicyScene;
  before(async () => {
    scene = await PolicyScene.create({ records: RECORDS, idleMs: IDLE_MS });
    scene.apply(model(networkPolicy('podSelector: {}\npolicyTypes: [Egress]\negress: [{}]')));
    scene.takeRecords();
  });
  after(() => scene?.end());

  it('a UDP flow is judged once, and anew when it was idle', async () => {
    const datagram = { do: 'send', host: scene.at[4], port: 80, id: 'flow' } as const;
    const judged = () =>
      scene
        .takeRecords()
        .filter(({ is_egress }) => is_egress === 1)
        .map(({ count }) => count);
    for (let time = 0; time < 3; time += 1) await scene.client.tell(datagram);
    assert.deepEqual(judged(), [1n]);
    await sleep(2 * IDLE_MS);
    await scene.client.tell(datagram);
    assert.deepEqual(judged(), [1n]);
  });

  it('what finds no room in the records is counted as lost, and let through all the same', async () => {
    scene.takeRecords();
    const before = scene.lostRecords();
    const PORTS = 10;
    const orders = Array.from({ length: PORTS }, (_, index) => {
      return { do: 'send', host: scene.at[4], port: 9000 + index } as const;
    });
    // Nobody has these ports: each datagram is judged where it leaves the client, and nowhere else.
    await scene.client.tell(...orders);
    const records = scene.takeRecords();
    assert.equal(records.length, RECORDS);
    const counted = records.reduce((sum, { count }) => sum + count, 0n);
    assert.equal(counted + scene.lostRecords() - before, BigInt(PORTS));
    assert.deepEqual(await scene.client.tell({ do: 'send', host: scene.at[4], port: 80 }), ['ok']);
  });
});
