/** An hour of churn (FLOWSPAN_SOAK_MINUTES), then quiet until UDP flows have ended: everything is as before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { whyNot } from '../support/flowspan.ts';
import { above, openBaseline } from './baseline_scene.ts';

const MiB = 1024 ** 2;
const MINUTES = Number(process.env.FLOWSPAN_SOAK_MINUTES ?? 60);
const ROUND = { connections: 1000, datagrams: 200, cgroups: 20 };
/** UDP flows end after 30 s of silence, and a sweep finds them. */
const QUIET_TRIES = 60;

test('memory, descriptors and map entries come back after an hour of churn', { skip: whyNot() ?? false }, async () => {
  const scene = await openBaseline();
  try {
    for (let round = 0; round < 5; round += 1) await scene.churn(ROUND);
    await sleep(45_000);
    await scene.flowspan.settled();
    const baseline = scene.held();
    const end = performance.now() + MINUTES * 60_000;
    let rounds = 0;
    for (; performance.now() < end; rounds += 1) await scene.churn(ROUND);
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
