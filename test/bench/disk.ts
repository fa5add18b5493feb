/**
 * Bytes on disk per stored row of `flows` and `requests` after merge: traffic of test/bench/traffic (its seed was fixed
 * before any codec was chosen) at the rate of 100 million rows a day, ten minutes each of the morning, noon and
 * the afternoon, inserted into the real tables. Prints every column, what the traffic's own randomness takes, and one figure per
 * table; the last, named like the bench, is over both tables as the traffic mixes them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '../../store/embedded/engine.ts';
import { floorOf } from './disk/floor.ts';
import { printResult, resultOf } from './kit/result.ts';
import { PIECE_S, piecesOfDay } from './traffic/shape.ts';
import { connectionsFor, createSchema, insertPiece, mergeAll } from './traffic/store.ts';

const ROWS = Number(process.env.ROWS ?? 100_000_000);
/** Of these hours of the day the first minutes are stored. */
const HOURS = [9, 12, 15];
const MINUTES = 10;
/** Bytes per row that issue 7 asks for. */
const GOALS = { flows: 25, requests: 20 } as const;
type Name = keyof typeof GOALS;

interface Size {
  readonly rows: number;
  readonly bytes: number;
}

async function sizeOf(engine: Engine, table: Name): Promise<Size> {
  const [total] = await engine.rows<{ bytes: string; rows: string }>(
    `SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts WHERE active AND database = 'flowspan' AND table = '${table}'`,
  );
  return { rows: Number(total!.rows), bytes: Number(total!.bytes) };
}

/** Bytes per row of every column, and of what stands beside them, largest first. */
async function columnSizes(engine: Engine, table: Name, rows: number): Promise<[string, number][]> {
  const of = `WHERE active AND database = 'flowspan' AND table = '${table}'`;
  const columns = await engine.rows<{ name: string; bytes: string }>(
    `SELECT column AS name, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns ${of} GROUP BY name`,
  );
  const [rest] = await engine.rows<{ index: string; key: string }>(
    `SELECT sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes) AS index, sum(primary_key_size) AS key FROM system.parts ${of}`,
  );
  const all = [...columns, { name: '(skip indices)', bytes: rest!.index }, { name: '(primary key)', bytes: rest!.key }];
  return all.map(({ name, bytes }): [string, number] => [name, Number(bytes) / rows]).sort((a, b) => b[1] - a[1]);
}

const show = (parts: Iterable<readonly [string, number]>) => {
  for (const [name, bytes] of parts) process.stdout.write(`  ${bytes.toFixed(3).padStart(8)}  ${name}\n`);
};

const sizes: Record<Name, Size[]> = { flows: [], requests: [] };
const floors: Record<Name, number> = { flows: 0, requests: 0 };
for (const [at, hour] of HOURS.entries()) {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-disk-'));
  const engine = await Engine.open(directory, { readers: 1, writers: 1, memoryBytes: 4 * 1024 ** 3 });
  try {
    await createSchema(engine);
    // ten minutes are stored as the hour is that they are a part of: a file per column
    for (const table of ['flows', 'requests']) {
      await engine.run({
        sql: `ALTER TABLE flowspan.${table} MODIFY SETTING min_bytes_for_wide_part = 0`,
        role: 'upkeep',
      });
    }
    const from = (hour * 3600) / PIECE_S;
    for (const piece of piecesOfDay(connectionsFor(ROWS)).slice(from, from + (MINUTES * 60) / PIECE_S)) {
      await insertPiece(engine, piece);
    }
    for (const table of ['flows', 'requests'] as const) {
      await mergeAll(engine, table);
      const size = await sizeOf(engine, table);
      sizes[table].push(size);
      process.stdout.write(
        `${table} from ${hour}:00, ${size.rows} rows: ${(size.bytes / size.rows).toFixed(2)} bytes per row\n`,
      );
      if (at < HOURS.length - 1) continue;
      show(await columnSizes(engine, table, size.rows));
      const floor = await floorOf(engine, table);
      process.stdout.write('  of which the traffic draws at random:\n');
      show(floor);
      floors[table] = [...floor.values()].reduce((sum, bytes) => sum + bytes, 0);
    }
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const perRow = ({ bytes, rows }: Size) => bytes / rows;
const limit = (bytes: number) => `${bytes.toFixed(1)} (entropy of the traffic)`;
const aim = { unit: 'bytes/row', better: 'lower' } as const;
for (const table of ['flows', 'requests'] as const) {
  printResult(
    resultOf(`disk-${table}`, sizes[table].map(perRow), { ...aim, goal: GOALS[table], limit: limit(floors[table]) }),
  );
}
/** Of both tables, by how many rows each has. */
const mixed = (of: (table: Name, at: number) => number, at: number) => {
  const [flows, requests] = [sizes.flows[at]!.rows, sizes.requests[at]!.rows];
  return (of('flows', at) * flows + of('requests', at) * requests) / (flows + requests);
};
const last = HOURS.length - 1;
const values = HOURS.map((_, at) => mixed((table, of) => perRow(sizes[table][of]!), at));
const goal = Number(mixed((table) => GOALS[table], last).toFixed(1));
printResult(resultOf('disk', values, { ...aim, goal, limit: limit(mixed((table) => floors[table], last)) }));
