/**
 * An hour of churn (FLOWSPAN_SOAK_MINUTES), then quiet until UDP flows have ended: everything is as before. Before is
 * after a sixth of that time: by then the engine has met every kind of work at once, and its allocator has the pages that
 * this takes (160 MB after five rounds, 300 MB after four minutes; of them it says 60 MB are in use).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { whyNot } from '../support/flowspan.ts';
import { above, type BaselineScene, openBaseline } from './baseline_scene.ts';

const MiB = 1024 ** 2;
const MINUTES = Number(process.env.FLOWSPAN_SOAK_MINUTES ?? 60);
const ROUND = { connections: 1000, datagrams: 200, cgroups: 20 };
/** UDP flows end after 30 s of silence, and a sweep finds them. */
const QUIET_TRIES = 60;

/** Rounds that were done; what the processes hold meanwhile is printed ten times. */
async function churnFor(scene: BaselineScene, minutes: number): Promise<number> {
  const began = performance.now();
  const passed = () => (performance.now() - began) / 60_000;
  let rounds = 0;
  for (let tenths = 1; passed() < minutes; rounds += 1) {
    await scene.churn(ROUND);
    if (passed() < (minutes * tenths) / 10) continue;
    process.stdout.write(`${passed().toFixed(1)} min, ${rounds} rounds: ${JSON.stringify(scene.held())}\n`);
    tenths += 1;
  }
  return rounds;
}

test('memory, descriptors and map entries come back after an hour of churn', { skip: whyNot() ?? false }, async () => {
  const scene = await openBaseline();
  try {
    await churnFor(scene, MINUTES / 6);
    await sleep(45_000);
    await scene.flowspan.settled();
    const baseline = scene.held();
    const rounds = await churnFor(scene, MINUTES);
    await scene.flowspan.settled();
    const tolerance = { residentBytes: 96 * MiB, descriptors: 8, entries: 4 };
    let left: string[] = [];
    for (let tries = 0; tries < QUIET_TRIES; tries += 1) {
      await sleep(1000);
      left = above(baseline, scene.held(), tolerance);
      if (left.length === 0) break;
    }
    process.stdout.write(`${rounds} rounds: ${JSON.stringify({ baseline, now: scene.held() })}\n`);
    assert.deepEqual(left, []);
  } finally {
    await scene.end();
  }
});
