/** After churn and quiet the processes and the kernel hold what they held before; baseline.soak.ts is the long form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { whyNot } from '../support/flowspan.ts';
import { above, openBaseline } from './baseline_scene.ts';

const MiB = 1024 ** 2;
/** Datagrams are for the soak: a UDP flow ends after 30 s of silence. */
const ROUND = { connections: 200, datagrams: 0, cgroups: 6 };

test('memory, descriptors and map entries come back after churn', { skip: whyNot() ?? false }, async () => {
  const scene = await openBaseline();
  try {
    for (let round = 0; round < 2; round += 1) await scene.churn(ROUND);
    await scene.flowspan.settled();
    await sleep(2000);
    const baseline = scene.held();
    for (let round = 0; round < 3; round += 1) await scene.churn(ROUND);
    await scene.flowspan.settled();
    const tolerance = { residentBytes: 64 * MiB, descriptors: 8, entries: 4 };
    let left: string[] = [];
    for (let tries = 0; tries < 10; tries += 1) {
      await sleep(1000);
      left = above(baseline, scene.held(), tolerance);
      if (left.length === 0) break;
    }
    assert.deepEqual(left, [], JSON.stringify(scene.held()));
    assert.ok(
      'map http_pipelined entries' in baseline && 'map udp_flows entries' in baseline,
      JSON.stringify(baseline),
    );
  } finally {
    await scene.end();
  }
});
