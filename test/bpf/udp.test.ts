/** How a UDP flow ends, which nothing says: when sweeps have found it still for longer than the idle time. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../deploy/lab/wait.ts';
import { done, startTalker } from '../support/talker.ts';
import { createScene, type Scene } from './scene.ts';

const PORT = 5353;
const IDLE_MS = 2_000;
const BYTES = 100;

describe('UDP flows', () => {
  let scene: Scene;
  before(async () => {
    scene = await createScene(undefined, { knobs: { udp_idle_ns: IDLE_MS * 1_000_000 } });
  });
  after(() => scene.end());

  for (const [family, version] of [
    ['ipv4', 4n],
    ['ipv6', 6n],
  ] as const)
    it(`end once, when they have been idle: ${family}`, async () => {
      const echo = startTalker(scene.server, 'udp-echo', PORT);
      await eventually('the echo', () => scene.server.namespace.run('ss', '-ulnH', `sport = :${PORT}`) !== '');
      const of = (flow_state: string) =>
        scene.watcher
          .seen({ flow_state, destination_port: BigInt(PORT), ip_version: version })
          .map((row) => [
            row.observation_point,
            row.bytes_sent,
            row.segments_sent,
            row.segments_received,
            row.close_cause,
          ])
          .toSorted();
      const moved = (cause: string) =>
        ['client', 'server'].map((point) =>
          cause === 'none' ? [point, BigInt(7 * BYTES), 7n, 7n, cause] : [point, 0n, 0n, 0n, cause],
        );
      const talker = startTalker(scene.client, 'udp-talk', scene.address[family], PORT, 1, 7, BYTES);
      try {
        await done(talker);
        // Longer than the idle time, but no sweep has seen it move before now.
        await sleep(IDLE_MS * 1.5);
        scene.watcher.snapshot();
        assert.deepEqual(of('opened'), moved('none'));
        scene.watcher.snapshot();
        assert.deepEqual(of('closed'), [], 'still, but not for long enough');
        await sleep(IDLE_MS * 1.5);
        scene.watcher.snapshot();
        assert.deepEqual(of('closed'), moved('idle'));
        scene.watcher.snapshot();
        assert.deepEqual(of('closed'), moved('idle'), 'once');
      } finally {
        await talker.stop();
        await echo.stop();
      }
    });
});
