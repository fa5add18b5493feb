/**
 * From the kernel's rings to encoded rows on one core: records are written by the production kernel code while nothing is
 * timed, then drained, resolved, counted and encoded by the collector's data path, whose CPU is what counts. One figure
 * per kind of record, and last that of a mix (kit/produced.ts). In a run of its own before, every row is decoded, and a
 * sample compared with what its record must say. RECORDS, ROUNDS, KIND by environment.
 */
import { strict as assert } from 'node:assert';
import { openRing } from '../../collector/native/addon.ts';
import type { Arena } from '../../collector/src/batch/arena.ts';
import { machineClocks } from '../../collector/src/batch/machine_clocks.ts';
import { LARGEST_ROW } from '../../collector/src/deliver/delivery.ts';
import { decodeRows } from '../../store/rowbinary.ts';
import type { Table } from '../../store/tables.ts';
import { openPath, type Row } from '../collector/support/path.ts';
import { openProducer } from './kit/produce.ts';
import { differences, type Expected, MIX, type Mix } from './kit/produced.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
/** Written at a time: what is there when the collector looks again at 1.5 M records/s. */
const RECORDS = Number(process.env.RECORDS ?? 8000);
const BATCHES = 50;
/** Rounds in which V8 learns what is hot. */
const WARM = 2;
const CHECKED = 40_000;
const GOAL_ROWS = 1_500_000;
const CHUNKS = 64;
const CHUNK_BYTES = 256 * 1024;

const KINDS: Readonly<Record<string, Partial<Mix>>> = {
  flows: { flows: 256, events: 0 },
  'tcp events': { flows: 0, events: 256 },
  'requests for what was asked before': { flows: 0, events: 0, unique: 0 },
  'requests for what was never asked': { flows: 0, events: 0, unique: 256 },
  mix: {},
};

/** Rows go into chunks, one after the other and round again, as they do where a disk takes them at once. */
function chunksOf(arena: Arena) {
  const first = arena.take(CHUNKS * CHUNK_BYTES);
  const end = first + CHUNKS * CHUNK_BYTES;
  let at = first;
  const told = { rows: 0, bytes: 0 };
  let each: ((table: Table, row: number, end: number) => void) | undefined;
  return {
    told,
    onRow(told: typeof each) {
      each = told;
    },
    writer: (table: Table) => ({
      begin() {
        if (end - at < LARGEST_ROW) at = first;
        return at;
      },
      end(row: number) {
        each?.(table, at, row);
        told.rows += 1;
        told.bytes += row - at;
        at = row;
      },
    }),
  };
}

/** A data path behind a producer. */
function open(mix: Mix) {
  const producer = openProducer({ ...mix, cgroupIds: Array.from({ length: 8 }, (_, index) => BigInt(10 + index)) });
  let chunks: ReturnType<typeof chunksOf> | undefined;
  const path = openPath({
    clocks: machineClocks(),
    arenaBytes: 32 * 1024 * 1024,
    cgroups: Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [10 + index, `/system.slice/shop-${index}.service`]),
    ),
    kernelRings: ['records', 'request_records'].map((name) => openRing(producer.object, name)),
    writer(arena, table) {
      chunks ??= chunksOf(arena);
      return chunks.writer(table);
    },
  });
  assert(chunks !== undefined);
  return { producer, path, chunks, empty: () => path.drain.finish(64) };
}

type Bench = ReturnType<typeof open>;

/** Every row is decoded, and each is compared. */
function check(bench: Bench, mix: Mix): void {
  const { producer, path, chunks, empty } = bench;
  const rows = new Map<string, Row[]>();
  chunks.onRow((table, begin, end) => {
    rows.set(table.name, [
      ...(rows.get(table.name) ?? []),
      ...decodeRows(table, path.arena.bytes.subarray(begin, end)),
    ]);
  });
  for (let done = 0; done < CHECKED; done += RECORDS) {
    producer.produce(RECORDS);
    empty();
    path.pipeline.finish();
    for (const [table, made] of rows) {
      const wrong = made.flatMap((row) => differences(row, table as Expected['table'], mix));
      if (wrong.length > 0)
        throw new Error(`FLOW_BENCH_ROWS: rows are not what was written:\n${wrong.slice(0, 10).join('\n')}`);
    }
    rows.clear();
  }
  chunks.onRow(undefined);
}

/** Rows per second of this thread's CPU. */
function round({ producer, path, chunks, empty }: Bench): number {
  const before = { ...chunks.told };
  let us = 0;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    producer.produce(RECORDS);
    const began = process.threadCpuUsage();
    empty();
    const { user, system } = process.threadCpuUsage(began);
    us += user + system;
  }
  const began = process.threadCpuUsage();
  path.pipeline.finish();
  const { user, system } = process.threadCpuUsage(began);
  us += user + system;
  const rows = chunks.told.rows - before.rows;
  const lost = Object.values(producer.counts()).reduce((sum, kind) => sum + kind.lost, 0);
  if (rows !== BATCHES * RECORDS || lost > 0)
    throw new Error(
      `FLOW_BENCH_ROWS: ${BATCHES * RECORDS} records became ${rows} rows, ${lost} were lost; RECORDS lower`,
    );
  return (rows / us) * 1e6;
}

/** Bytes per second that this machine copies, out of and into memory that is in no cache. */
function copySpeed(): number {
  const [from, to] = [Buffer.alloc(256 * 1024 * 1024, 1), Buffer.alloc(256 * 1024 * 1024, 2)];
  from.copy(to);
  const began = process.threadCpuUsage();
  from.copy(to);
  const { user, system } = process.threadCpuUsage(began);
  return from.length / ((user + system) / 1e6);
}

const chosen = process.env.KIND;
const kinds = Object.entries(KINDS).filter(([kind]) => chosen === undefined || kind === chosen);
const benches = kinds.map(([kind, part]) => {
  const mix = { ...MIX, ...part };
  const bench = open(mix);
  check(bench, mix);
  for (let warm = 0; warm < WARM; warm += 1) round(bench);
  return { kind, bench, values: [] as number[] };
});
for (let done = 0; done < ROUNDS; done += 1) for (const { bench, values } of benches) values.push(round(bench));
const speed = copySpeed();
for (const { kind, bench, values } of benches) {
  const bytes = bench.chunks.told.bytes / bench.chunks.told.rows;
  process.stdout.write(
    `${kind}: ${(1e9 / median(values)).toFixed(0)} ns and ${bytes.toFixed(0)} bytes of row per record, 0 lost\n`,
  );
  const limit = `${(speed / (2 * bytes) / 1e6).toFixed(0)} M rows/s (copying them twice at ${(speed / 1e9).toFixed(1)} GB/s)`;
  const name = kind === 'mix' ? 'drain' : `drain: ${kind}`;
  printResult(resultOf(name, values, { unit: 'rows/s', goal: GOAL_ROWS, better: 'higher', limit }));
  bench.producer.close();
}
process.exit(0);
