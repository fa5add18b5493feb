/** Wall time that is set by an hour, forward and back, and that is slewed: through injected clocks, over the data path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clocks } from '../../collector/src/batch/clock.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { Counters } from '../../collector/src/counters.ts';
import type { Delivery } from '../../collector/src/deliver/delivery.ts';
import { Losses } from '../../collector/src/deliver/losses.ts';
import type { Kernel } from '../../collector/src/kernel.ts';
import { Reporter } from '../../collector/src/reporter.ts';
import type { StateFiles } from '../../collector/src/state_files.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import type { Table } from '../../store/tables.ts';
import { nanosecondsOf } from '../../store/time.ts';
import { EPOCH_NS, openPath, type Row } from '../collector/support/path.ts';
import { connection, record, requestRecord } from '../collector/support/records.ts';

const SECOND = 1_000_000_000n;
const HOUR = 3600n * SECOND;

/** A machine whose wall clock is set and slewed by hand. */
class Machine implements Clocks {
  bootNs = 100n * SECOND;
  offsetNs = EPOCH_NS;
  wallMinusBootNs = () => this.offsetNs;
  wallNs = () => this.bootNs + this.offsetNs;
  roughMs = () => Number(this.offsetNs - EPOCH_NS) / 1e6;
}

function openMachine() {
  const machine = new Machine();
  const path = openPath({ clocks: machine });
  const flowAt = (age: bigint) =>
    record('flow', {
      ...connection(),
      time_boot_ns: machine.bootNs,
      duration_ns: SECOND,
      connection_age_ns: age,
    });
  /** The rows of one look: a flow and a request that end now. */
  const look = (age: bigint): { flow: Row; request: Row } => {
    const request = requestRecord({}, { ...connection(), time_boot_ns: machine.bootNs, duration_ns: 250_000_000n });
    path.rings[1].records.push(request);
    const [flow] = path.feed('flows', flowAt(age)) as [Row];
    const [asked] = path.out.get('requests') as [Row];
    path.out.delete('requests');
    return { flow, request: asked };
  };
  return { machine, path, look };
}

const timeOf = (row: Row): bigint => nanosecondsOf(String(row.time));

for (const step of [HOUR, -HOUR]) {
  test(`a wall clock that is set by ${step / SECOND} s changes no duration, and rows are dated by the new time at once`, () => {
    const { machine, path, look } = openMachine();
    const before = look(5n * SECOND);
    const { writtenUntilNs } = path.pipeline;
    const stepped: bigint[] = [];
    machine.bootNs += SECOND;
    machine.offsetNs += step;
    stepped.push(path.clock.noticeStep());
    path.pipeline.moveTimes(step);
    assert.deepEqual(stepped, [step]);
    assert.equal(path.pipeline.writtenUntilNs, writtenUntilNs + step, 'a watermark goes with the clock');
    const after = look(6n * SECOND);
    assert.equal(timeOf(after.flow) - timeOf(before.flow), SECOND + step);
    assert.equal(timeOf(after.request) - timeOf(before.request), SECOND + step);
    for (const [one, other] of [
      [before.flow, after.flow],
      [before.request, after.request],
    ] as const) {
      assert.equal(one.duration_ns, other.duration_ns);
    }
    assert.equal(
      BigInt(after.flow.connection_age_ns as bigint) - BigInt(before.flow.connection_age_ns as bigint),
      SECOND,
    );
    assert.ok(path.pipeline.writtenUntilNs <= machine.wallNs(), 'nothing of later is promised');
    assert.equal(path.counters.kinds.flow.late, 0);
    assert.equal(path.clock.noticeStep(), 0n, 'told once');
  });
}

test('the step is noticed by the look that finds it, before its records are dated', () => {
  const { machine, look, path } = openMachine();
  look(1n * SECOND);
  machine.offsetNs += HOUR;
  machine.bootNs += SECOND;
  assert.equal(timeOf(look(2n * SECOND).flow), machine.wallNs());
  assert.equal(path.clock.noticeStep(), 0n);
});

test('a clock that is slewed by 500 ppm is followed to 5 ms, without a step', () => {
  for (const sign of [1n, -1n]) {
    const { machine, path, look } = openMachine();
    for (let second = 1n; second <= 120n; second += 1n) {
      machine.bootNs += SECOND;
      machine.offsetNs += sign * 500_000n;
      const { flow, request } = look(second * SECOND);
      const off = timeOf(flow) - machine.wallNs();
      assert.ok((off < 0n ? -off : off) <= 5_000_000n, `${off} ns after ${second} s`);
      assert.equal(flow.duration_ns, String(SECOND));
      assert.equal(request.duration_ns, '250000000');
      if (second % 10n === 0n) assert.equal(path.clock.reanchor(), 0n);
    }
  }
});

test('a step is a row of losses about the times that nobody or two have, and reports go on from there', async () => {
  for (const step of [HOUR, -HOUR]) {
    const rows: [string, Record<string, unknown>][] = [];
    const add = (table: Table, row: Record<string, unknown>) => {
      encodeRow(table, row);
      rows.push([table.name, row]);
    };
    const machine = new Machine();
    const counters = new Counters();
    const losses = new Losses(counters);
    const pipeline = { writtenUntilNs: machine.wallNs(), promisedMs: 0 };
    const kernel = {
      recordCount: () => ({ wanted: 0, lostRingFull: 0, shed: 0 }),
      discardCount: () => 0,
      skippedEvents: () => 0,
      malformedRecords: () => 0,
    } as unknown as Kernel;
    const reporter = new Reporter({
      scope: { cluster: 'c', node: 'n', boot_id: '11111111-2222-3333-4444-555555555555' },
      counters,
      delivery: {
        add,
        report: async (table: Table, row: Record<string, unknown>) => {
          add(table, row);
          return { stored: Promise.resolve() };
        },
      } as unknown as Delivery,
      endpoints: new Endpoints(10),
      kubernetes: undefined,
      kernel,
      losses,
      state: { setWatchedUntil() {}, setEndpoints() {} } as unknown as StateFiles,
      serviceLabels: false,
      startedNs: machine.wallNs(),
      nowNs: machine.wallNs,
      pipeline,
    });
    const oldNs = machine.wallNs();
    machine.offsetNs += step;
    reporter.clockStepped(step);
    const [[table, row]] = rows as [[string, Record<string, unknown>]];
    const [from, to] = [(row.time as bigint) - (row.duration_ns as bigint), row.time];
    assert.deepEqual([table, row.kind, row.reason, row.count], ['losses', 'all', 'clock_step', 0]);
    assert.deepEqual([from, to], step > 0n ? [oldNs, machine.wallNs()] : [machine.wallNs(), oldNs]);
    rows.length = 0;
    machine.bootNs += 5n * SECOND;
    losses.add('flow', 'write_failed', 2);
    pipeline.writtenUntilNs = machine.wallNs();
    await reporter.report();
    assert.deepEqual([rows[0]![1].reason, rows[0]![1].duration_ns], ['write_failed', 5n * SECOND]);
    assert.equal(rows.at(-1)![1].time, machine.wallNs() - 2n * SECOND);
  }
});
