/**
 * Bytes on disk per stored row of `flows` and `requests`: generated traffic (test/bench/disk/traffic.ts, seeds fixed
 * before any codec was chosen), inserted as collectors insert, merged to one part. Prints the size of every column, then
 * one figure per table; the last line is that of `requests`. ROWS in the environment changes how many rows per seed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTableSql, quoteName } from '../../store/ddl.ts';
import { Engine } from '../../store/embedded/engine.ts';
import { FLOWS, REQUESTS, type Table } from '../../store/tables.ts';
import { flowModel, type RowModel, requestModel } from './disk/traffic.ts';
import { printResult, resultOf } from './kit/result.ts';

const SEEDS = [1, 2, 3];
const ROWS = Number(process.env.ROWS ?? 500_000);
/** Rows of one insert: a busy second of one collector. */
const BATCH = 50_000;
/** What DeepFlow says it keeps per flow and per request, in bytes. */
const GOALS: Readonly<Record<string, number>> = { flows: 154, requests: 72 };

interface ColumnSize {
  readonly name: string;
  readonly bytes: number;
}

async function fill(engine: Engine, table: Table, model: RowModel): Promise<number> {
  const names = Object.keys(model);
  const values = names.map((name) => `${model[name]} AS ${quoteName(name)}`).join(', ');
  await engine.run({ sql: `DROP TABLE IF EXISTS bench.${table.name} SYNC`, role: 'upkeep' });
  await engine.run({ sql: createTableSql('bench', { ...table, ttlDays: 0 }), role: 'upkeep' });
  for (let row = 0; row < ROWS; row += BATCH) {
    const sql = `INSERT INTO bench.${table.name} (${names.map(quoteName).join(', ')}) SELECT ${values} FROM numbers(${row}, ${Math.min(BATCH, ROWS - row)})`;
    await engine.run({ sql, role: 'upkeep', settings: { max_threads: '1' } });
  }
  await engine.run({ sql: `OPTIMIZE TABLE bench.${table.name} FINAL`, role: 'upkeep' });
  const [total] = await engine.rows<{ bytes: string; rows: string }>(
    `SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts WHERE active AND table = '${table.name}'`,
  );
  return Number(total!.bytes) / Number(total!.rows);
}

async function columnSizes(engine: Engine, table: Table): Promise<ColumnSize[]> {
  const columns = await engine.rows<{ name: string; bytes: string }>(
    `SELECT column AS name, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns
     WHERE active AND table = '${table.name}' GROUP BY name`,
  );
  const [rest] = await engine.rows<{ index: string; key: string }>(
    `SELECT sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes) AS index,
       sum(primary_key_size) AS key FROM system.parts WHERE active AND table = '${table.name}'`,
  );
  return [...columns, { name: '(skip indices)', bytes: rest!.index }, { name: '(primary key)', bytes: rest!.key }]
    .map(({ name, bytes }) => ({ name, bytes: Number(bytes) / ROWS }))
    .sort((a, b) => b.bytes - a.bytes);
}

const directory = mkdtempSync(join(tmpdir(), 'flowspan-disk-'));
const engine = await Engine.open(directory, { readers: 1, writers: 1, memoryBytes: 4 * 1024 ** 3 });
try {
  await engine.run({ sql: 'CREATE DATABASE bench', role: 'upkeep' });
  for (const [table, model] of [
    [FLOWS, flowModel],
    [REQUESTS, requestModel],
  ] as const) {
    const sizes: number[] = [];
    for (const seed of SEEDS) sizes.push(await fill(engine, table, model(seed)));
    process.stdout.write(`${table.name}, bytes per row by column (seed ${SEEDS.at(-1)}, ${ROWS} rows):\n`);
    for (const { name, bytes } of await columnSizes(engine, table)) {
      process.stdout.write(`  ${bytes.toFixed(3).padStart(8)}  ${name}\n`);
    }
    const goal = GOALS[table.name]!;
    printResult(resultOf(`disk-${table.name}`, sizes, { unit: 'bytes/row', goal, better: 'lower' }));
  }
} finally {
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
}
