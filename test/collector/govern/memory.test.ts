/** Memory is a reason to shed while it is being taken, not where it was taken once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MiB } from '../../../collector/src/config_fields.ts';
import { defaultMemoryBytes } from '../../../collector/src/config_governor.ts';
import { Controller } from '../../../collector/src/govern/controller.ts';
import { MemoryGrowth } from '../../../collector/src/govern/memory_growth.ts';

const CONFIG = { cpu: 0.8, memoryBytes: 512 * MiB, noisyShare: 0.5, mostThrottled: 64 };
const EMPTY = { fill: 0, lost: false };

/** A controller, and seconds in each of which two cgroups brought so many requests. */
function governed() {
  const controller = new Controller(CONFIG);
  const growth = new MemoryGrowth();
  let s = 0;
  const second = (cpu: number, mebibytes: number, requests: readonly [number, number]) => {
    s += 1;
    const [nowMs, memoryBytes] = [s * 1000, mebibytes * MiB];
    const memoryGrows = growth.grows(memoryBytes, nowMs);
    const rings = { records: EMPTY, request_records: EMPTY };
    controller.measured(
      { nowMs, cpu, memoryBytes, memoryGrows, rings, rowFill: 0 },
      requests.map((taken, at) => ({
        ...{ cgroup: BigInt(at + 1), kind: 'request', observationPoint: 2 },
        ...{ taken, offered: taken },
      })),
    );
  };
  return { controller, second };
}

test('memory near its budget holds no level that something else asked for', () => {
  const { controller, second } = governed();
  for (let turn = 0; turn < 5; turn += 1) second(1.2, 470, [3000, 3000]);
  assert.ok(controller.level > 0);
  for (let turn = 0; turn < 60; turn += 1) second(0.1, 470, [100, 20]);
  assert.equal(controller.level, 0);
});

test('memory over its budget that stays or rises and falls sheds nothing', () => {
  for (const swing of [0, 40]) {
    const { controller, second } = governed();
    second(0.1, 515 + swing, [100, 20]);
    for (let turn = 0; turn < 600; turn += 1) {
      second(0.1, 515 + (turn % 20) * (swing / 20), [100, 20]);
      assert.deepEqual([controller.level, controller.throttles.size], [0, 0]);
    }
  }
});

test('memory over its budget that grows sheds, and lets go when it grows no more', () => {
  const { controller, second } = governed();
  for (let turn = 0; turn < 10; turn += 1) second(0.1, 515 + turn * 10, [100, 80]);
  assert.ok(controller.level + controller.throttles.size > 0);
  for (let turn = 0; turn < 300; turn += 1) second(0.1, 610, [100, 80]);
  assert.deepEqual([controller.level, controller.throttles.size], [0, 0]);
});

test('by default memory stays below what the cgroup allows', () => {
  assert.equal(defaultMemoryBytes(512 * MiB), 384 * MiB);
  assert.equal(defaultMemoryBytes(2 ** 64), 512 * MiB);
  assert.equal(defaultMemoryBytes(0), 512 * MiB);
  assert.equal(defaultMemoryBytes(32 * MiB), 64 * MiB);
});
