/** What a governor does with decisions: the data path's level, the kernel's table, log lines, status, pace of flow rows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CGROUP_THROTTLE } from '../../../bpf/wire/events.gen.ts';
import { loadConfig } from '../../../collector/src/config.ts';
import { Governor } from '../../../collector/src/govern/governor.ts';
import type { Measurement } from '../../../collector/src/govern/pressure.ts';
import { shedRecords } from '../../../collector/src/govern/shed_records.ts';
import { ThrottleTable } from '../../../collector/src/govern/throttle_table.ts';
import { openPath } from '../support/path.ts';
import { connection, requestRecord } from '../support/records.ts';

function governed(enabled = true) {
  const path = openPath();
  const written = new Map<bigint, Buffer>();
  const counts: number[] = [];
  const table = new ThrottleTable({
    map: (name) => ({
      maxEntries: 64,
      update(key, value) {
        if (name === 'throttled_cgroups') counts.push(Buffer.from(value).readUInt32LE());
        else written.set(Buffer.from(key).readBigUInt64LE(), Buffer.from(value));
      },
      delete: (key) => written.delete(Buffer.from(key).readBigUInt64LE()),
    }),
  });
  const lines: { code: string; said: string }[] = [];
  const line = (facts: unknown, said?: string) =>
    lines.push({ code: (facts as { code: string }).code, said: said ?? '' });
  const clock = { s: 0 };
  const governor = new Governor({
    config: { ...loadConfig([], {}).collector.governor, enabled, cpu_percent: 10 },
    arena: path.arena,
    requestText: path.requestText,
    kernel: { throttles: table },
    cgroupPath: (cgroup) => `/${cgroup}`,
    shed: () => shedRecords(path.counters),
    nowMs: () => clock.s * 1000,
    log: { info: line, warn: line } as never,
  });
  const at = path.arena.take(2048);
  /** A second with so many requests by cgroup, in which so much processor time was taken. */
  const second = (cpu: number, requests: Readonly<Record<string, number>>, recordsLost = false) => {
    clock.s += 1;
    for (const [cgroup, count] of Object.entries(requests)) {
      path.arena.bytes.set(requestRecord({}, { ...connection(), owner_cgroup_id: BigInt(cgroup) }), at);
      for (let turn = 0; turn < count; turn += 1) governor.parts.loads.count('request', at, 1);
    }
    const measurement: Measurement = {
      nowMs: clock.s * 1000,
      cpu,
      memoryBytes: 0,
      memoryGrows: false,
      rings: { records: { fill: 0, lost: recordsLost }, request_records: { fill: 0, lost: false } },
      rowFill: 0,
    };
    governor.measured(measurement);
  };
  return { governor, written, counts, lines, second };
}

test('a level is put in force, told with its cause, and taken back', () => {
  const { governor, lines, second } = governed();
  for (let turn = 0; turn < 9; turn += 1) second(0.11, { 7: 5000 });
  assert.equal(governor.level, 9);
  assert.equal(governor.parts.shedding.level, governor.detail);
  assert.equal(governor.flowIntervals, 6);
  const status = governor.status() as Record<string, unknown>;
  assert.deepEqual([status.level, status.scarcest, status.since], [9, 'cpu', '1970-01-01T00:00:09.000Z']);
  for (let turn = 0; turn < 20; turn += 1) second(0.001, { 7: 5 });
  assert.deepEqual([governor.level, governor.flowIntervals], [0, 1]);
  assert.deepEqual(new Set(lines.map(({ code }) => code)), new Set(['FLOW_GOVERN_LEVEL']));
  assert.match(lines[0]!.said, /from now on a row for one of 2 ordinary requests/);
  assert.match(lines.at(-1)!.said, /from now on all detail/);
});

test('a noisy cgroup is put into the kernel’s table, and taken out', () => {
  const { counts, governor, lines, second, written } = governed();
  second(0.15, { 7: 5000, 8: 100 });
  second(0.15, { 7: 5000, 8: 100 });
  const value = written.get(7n)!;
  assert.deepEqual([...written.keys()], [7n]);
  assert.deepEqual(
    [CGROUP_THROTTLE.request_weight, CGROUP_THROTTLE.trouble_weight, CGROUP_THROTTLE.event_weight].map((field) =>
      Number(value.readBigUInt64LE(field)),
    ),
    [4, 1, 4],
  );
  assert.deepEqual([counts.at(-1), governor.throttledCgroups, governor.level], [1, 1, 0]);
  for (let turn = 0; turn < 20; turn += 1) second(0.001, { 8: 100 });
  assert.deepEqual([written.size, counts.at(-1), governor.throttledCgroups], [0, 0, 0]);
  assert.deepEqual(new Set(lines.map(({ code }) => code)), new Set(['FLOW_GOVERN_CGROUP']));
});

test('flows that do not fit their ring come more seldom, and no request is shed for them', () => {
  const { governor, lines, second } = governed();
  for (let turn = 0; turn < 8; turn += 1) second(0.03, { 7: 80, 8: 80 }, true);
  const { eventsAsCounts, flowIntervals, requestWeight, troubleWeight } = governor.parts.shedding.level;
  assert.deepEqual([requestWeight, troubleWeight, flowIntervals, eventsAsCounts], [1, 1, 6, true]);
  assert.deepEqual([governor.level, governor.throttledCgroups, governor.flowIntervals], [0, 0, 6]);
  const status = governor.status() as Record<string, unknown>;
  assert.deepEqual([status.records_level, status.scarcest], [2, 'records_ring']);
  assert.match(lines[0]!.said, /from now on rows of open connections six times as seldom/);
  for (let turn = 0; turn < 10; turn += 1) second(0.03, { 7: 80, 8: 80 });
  assert.deepEqual([governor.flowIntervals, governor.detail.words], [1, 'all detail']);
  assert.match(lines.at(-1)!.said, /from now on all detail/);
});

test('switched off it only forgets what it counted', () => {
  const { governor, lines, second, written } = governed(false);
  for (let turn = 0; turn < 5; turn += 1) second(2, { 7: 5000, 8: 100 });
  assert.deepEqual([governor.level, written.size, lines.length], [0, 0, 0]);
  assert.deepEqual(governor.parts.loads.take(), []);
});
