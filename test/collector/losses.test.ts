import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pino } from 'pino';
import { ENUMS } from '../../bpf/wire/events.gen.ts';
import { LocalIdentity } from '../../collector/src/control/local.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { Counters, DISCARD_REASONS, DISCARDS } from '../../collector/src/counters.ts';
import type { Delivery } from '../../collector/src/deliver/delivery.ts';
import { Losses } from '../../collector/src/deliver/losses.ts';
import type { Kernel } from '../../collector/src/kernel.ts';
import { repeat } from '../../collector/src/repeat.ts';
import { Reporter } from '../../collector/src/reporter.ts';
import { rowFates } from '../../collector/src/row_fates.ts';
import { StateFiles } from '../../collector/src/state_files.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import type { Table } from '../../store/tables.ts';

function fakeKernel() {
  const wanted: Record<number, number> = {};
  const lost: Record<number, number> = {};
  const discarded: Record<number, number> = {};
  const skipped = [0];
  const kernel = {
    recordCount: (kind: number) => ({ wanted: wanted[kind] ?? 0, lostRingFull: lost[kind] ?? 0, shed: 0 }),
    discardCount: (reason: number) => discarded[reason] ?? 0,
    malformedRecords: () => 2,
    skippedEvents: () => skipped[0],
  } as unknown as Kernel;
  return { kernel, wanted, lost, discarded, skipped };
}

test('what the kernel lost is told once, by kind and reason', () => {
  const counters = new Counters();
  const losses = new Losses(counters);
  const { kernel, wanted, lost, discarded } = fakeKernel();
  wanted[ENUMS.record_kind.flow] = 100;
  losses.readKernel(kernel);
  assert.deepEqual(losses.take(), []);
  lost[ENUMS.record_kind.flow] = 7;
  for (const [, number] of DISCARD_REASONS) discarded[number] = 1;
  losses.readKernel(kernel);
  losses.readKernel(kernel);
  const told = losses.take();
  assert.deepEqual(
    told.find(({ reason }) => reason === 'ring_full'),
    { kind: 'flow', reason: 'ring_full', count: 7 },
  );
  assert.equal(told.length, 1 + DISCARD_REASONS.length);
  assert.deepEqual(told.find(({ reason }) => reason === 'udp_flows_full')?.kind, 'flow');
  assert.deepEqual(told.find(({ reason }) => reason === 'malformed_http')?.kind, 'request');
  lost[ENUMS.record_kind.flow] = 10;
  losses.readKernel(kernel);
  losses.add('flow', 'ring_full', 2);
  assert.deepEqual(losses.take(), [{ kind: 'flow', reason: 'ring_full', count: 5 }]);
  assert.equal(counters.discards.ring_record_malformed, 2);
  assert.deepEqual([counters.kinds.flow.wanted, counters.kinds.flow.lost_ring_full], [100, 10]);
  assert.equal(counters.flat()['kernel_discard.stream_gap'], 1);
});

test('runs that the kernel skipped are events that it lost', () => {
  const losses = new Losses(new Counters());
  const { kernel, skipped } = fakeKernel();
  losses.readKernel(kernel);
  assert.deepEqual(losses.take(), []);
  skipped[0] = 3;
  losses.readKernel(kernel);
  losses.readKernel(kernel);
  assert.deepEqual(losses.take(), [{ kind: 'tcp_event', reason: 'program_skipped', count: 3 }]);
  assert.equal(losses.totals().find(({ reason }) => reason === 'program_skipped')?.count, 3);
});

test('every count has a name of its own', () => {
  const counters = new Counters();
  for (const discard of DISCARDS) counters.discard(discard);
  const flat = counters.flat();
  for (const discard of DISCARDS) assert.equal(flat[`discard.${discard}`], 1);
  assert.equal(flat['request.stored'], 0);
});

test('reports tell losses, endpoints and the time up to which all was written', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-report-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const state = new StateFiles(directory, pino({ level: 'silent' }));
  state.setWatchedUntil(5_000_000_000n);
  const rows: [string, Record<string, unknown>][] = [];
  const add = (table: Table, row: Record<string, unknown>) => {
    encodeRow(table, row);
    rows.push([table.name, row]);
  };
  let reportMayWait = false;
  const report = async (table: Table, row: Record<string, unknown>) => {
    add(table, row);
    return { stored: Promise.resolve() };
  };
  const counters = new Counters();
  const losses = new Losses(counters);
  const endpoints = new Endpoints(10);
  const { kernel } = fakeKernel();
  let now = 39_000_000_000n;
  const pipeline = { writtenUntilNs: 8_900_000_000n, promisedMs: 0 };
  const reporter = new Reporter({
    scope: { cluster: 'c', node: 'n', boot_id: '11111111-2222-3333-4444-555555555555' },
    counters,
    delivery: {
      add,
      report,
      get reportMayWait() {
        return reportMayWait;
      },
    } as unknown as Delivery,
    endpoints,
    kubernetes: undefined,
    kernel,
    losses,
    state,
    serviceLabels: false,
    startedNs: 7_000_000_000n,
    nowNs: () => now,
    pipeline,
  });
  reporter.restarted();
  assert.deepEqual(
    rows.splice(0).map(([table, row]) => [table, row.kind, row.reason, row.time, row.duration_ns]),
    [['losses', 'all', 'restart', 7_000_000_000n, 2_000_000_000n]],
  );
  assert.equal(reporter.unobservedNs, 2_000_000_000n);
  endpoints.number(new LocalIdentity({ machineId: 'm', node: 'n', outside: [] }).node, 0, 1n);
  losses.add('request', 'spool_dropped', 3);
  await reporter.report();
  assert.deepEqual(
    rows.map(([table]) => table),
    ['losses', 'endpoints', 'collector_reports'],
  );
  assert.deepEqual([rows[0]![1].count, rows[0]![1].duration_ns], [3, 32_000_000_000n]);
  assert.deepEqual(
    [rows[1]![1].kind, rows[1]![1].node, rows[1]![1].valid_to],
    ['node', 'n', '2262-01-01T00:00:00.000000000Z'],
  );
  assert.equal(rows[2]![1].time, 6_900_000_000n);
  assert.equal(reporter.storedUntilNs, 6_900_000_000n);
  assert.equal(pipeline.promisedMs, 6900);
  assert.equal(state.watchedUntil(), 8_900_000_000n);
  assert.equal(state.endpoints('11111111-2222-3333-4444-555555555555').size, 1);
  now += 5_000_000_000n;
  pipeline.writtenUntilNs += 5_000_000_000n;
  rows.length = 0;
  losses.add('flow', 'spool_dropped', 4, 20_000, 23_000);
  await reporter.report();
  assert.deepEqual(
    rows.map(([table]) => table),
    ['losses', 'collector_reports'],
  );
  assert.deepEqual([rows[0]![1].time, rows[0]![1].duration_ns], [23_000_000_000n, 3_000_000_000n]);
  reportMayWait = true;
  losses.add('flow', 'spool_dropped', 5);
  rows.length = 0;
  await reporter.report();
  assert.deepEqual(
    rows.map(([table]) => table),
    ['losses'],
    'losses are told even so',
  );
  await reporter.report(true);
  assert.equal(rows.at(-1)![0], 'collector_reports', 'the last one is made in any case');
});

test('losses of known times span these; one of unknown time reaches until the report', () => {
  const losses = new Losses(new Counters());
  losses.add('flow', 'spool_dropped', 3, 2000, 4000);
  losses.add('flow', 'spool_dropped', 4, 1000, 3000);
  losses.add('request', 'spool_dropped', 5);
  losses.add('request', 'spool_dropped', 6, 7000, 8000);
  losses.add('flow', 'spool_damaged', 0, 1, 2);
  assert.deepEqual(losses.take(), [
    { kind: 'flow', reason: 'spool_dropped', count: 7, fromMs: 1000, toMs: 4000 },
    { kind: 'request', reason: 'spool_dropped', count: 11, fromMs: 7000 },
    { kind: 'flow', reason: 'spool_damaged', count: 0, fromMs: 1, toMs: 2 },
  ]);
});

test('work that fails is told and comes again; told to stop, it stops at once', async () => {
  const stop = new AbortController();
  let turns = 0;
  const failures: unknown[] = [];
  const loop = repeat(
    () => 1,
    stop.signal,
    () => {
      turns += 1;
      if (turns === 1) throw new Error('first');
      if (turns === 3) stop.abort();
    },
    (error) => failures.push(error),
  );
  await loop;
  assert.equal(turns, 3);
  assert.equal(failures.length, 1);
  await repeat(
    () => 60_000,
    AbortSignal.abort(),
    () => assert.fail(),
    () => undefined,
  );
});

test('rows lost in the spool are told with the time that they may tell of', () => {
  const counters = new Counters();
  const losses = new Losses(counters);
  rowFates(counters, losses).lost('flows', 3, 'row_spool_dropped', 10_000, 12_000);
  assert.deepEqual(losses.take(), [{ kind: 'flow', reason: 'spool_dropped', count: 3, fromMs: 8000, toMs: 12_000 }]);
  assert.equal(counters.kinds.flow.lost_spool_dropped, 3);
});

test('rows of losses that are lost themselves mark their time', () => {
  const counters = new Counters();
  const losses = new Losses(counters);
  const fates = rowFates(counters, losses);
  fates.lost('losses', 3, 'row_spool_damaged', 10_000, 12_000);
  fates.lost('collector_reports', 1, 'row_spool_damaged', 10_000, 12_000);
  assert.deepEqual(losses.take(), [{ kind: 'all', reason: 'spool_damaged', count: 0, fromMs: 8000, toMs: 12_000 }]);
});
