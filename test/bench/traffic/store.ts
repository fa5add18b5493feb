/**
 * A store that holds a day of the traffic: made once, through the real tables, their feeds and the real builds of
 * edges, and kept for later runs. Cut off, it goes on where it was.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTableSql } from '../../../store/ddl.ts';
import { BUILD_SETTINGS, buildSql, nextMinutes } from '../../../store/edge_builds.ts';
import { buildHourSql, EDGES_1H, hourBuiltSql } from '../../../store/edge_hours.ts';
import { Engine } from '../../../store/embedded/engine.ts';
import { databaseColumns, insertColumns } from '../../../store/remainders.ts';
import { EDGES_1M } from '../../../store/rollups.ts';
import { createViewSql, SCHEMA } from '../../../store/schema.ts';
import { FLOWS, REQUESTS } from '../../../store/tables.ts';
import { insertSql } from './connections.ts';
import { FLOW_MODEL, flowsSql } from './flows.ts';
import { REQUEST_MODEL, requestsSql } from './requests.ts';
import { DAY_BEGIN_S, PIECE_S, type Piece, piecesOfDay } from './shape.ts';
import { endpointModel, PODS } from './topology.ts';

const DATABASE = 'flowspan';
const PIECES_OF_HOUR = 3600 / PIECE_S;
/** Rows of requests and flows that one connection makes, on the average of this traffic. */
const ROWS_PER_CONNECTION = 94.6;

/** Connections whose rows are about so many. */
export const connectionsFor = (rows: number): number => Math.round(rows / ROWS_PER_CONNECTION);

/** Changes when the traffic does, or how it is stored. */
export function trafficKey(): string {
  const piece = { index: 0, first: 0, count: 1 };
  const tables = SCHEMA.tables.map((table) => ({
    ...table,
    doc: '',
    columns: databaseColumns(table).map(({ name, type, codec, made }) => [name, type, codec, made]),
  }));
  const text = JSON.stringify([
    requestsSql(piece),
    flowsSql(piece),
    endpointModel('0'),
    piecesOfDay(1_000_000),
    tables,
  ]);
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

const INSERT_SETTINGS = { max_threads: '1', max_insert_threads: '1', min_insert_block_size_rows: '1048576' };

/** Makes the tables and views of the schema, as a migration of an empty database does; rows are kept for ever. */
export async function createSchema(engine: Engine): Promise<void> {
  await engine.run({ sql: `CREATE DATABASE IF NOT EXISTS ${DATABASE}`, role: 'upkeep' });
  for (const table of SCHEMA.tables) {
    await engine.run({ sql: createTableSql(DATABASE, { ...table, ttlDays: 0 }), role: 'upkeep' });
  }
  for (const view of SCHEMA.views) await engine.run({ sql: createViewSql(DATABASE, view), role: 'upkeep' });
}

/** Inserts the requests and flow rows of a piece; a second time changes nothing. */
export async function insertPiece(engine: Engine, piece: Piece): Promise<void> {
  const inserts = [
    [REQUESTS, REQUEST_MODEL, requestsSql(piece)],
    [FLOWS, FLOW_MODEL, flowsSql(piece)],
  ] as const;
  await Promise.all(
    inserts.map(async ([table, model, select]) => {
      const columns = insertColumns(table, Object.keys(model));
      const sql = `INSERT INTO ${DATABASE}.${table.name} ${columns} ${select}`;
      const settings = { ...INSERT_SETTINGS, insert_deduplication_token: `piece-${piece.index}` };
      await engine.run({ sql, role: 'upkeep', settings });
    }),
  );
}

async function insertEndpoints(engine: Engine): Promise<void> {
  const model = endpointModel(`toDateTime64(${DAY_BEGIN_S - 86_400}, 9, 'UTC')`);
  const sql = insertSql(`${DATABASE}.endpoints`, model, `numbers(${PODS})`);
  await engine.run({ sql, role: 'upkeep', settings: { insert_deduplication_token: 'pods' } });
}

/** One part per partition, as upkeep leaves it behind. */
export async function mergeAll(engine: Engine, table: string): Promise<void> {
  const partitions = await engine.rows<{ id: string }>(
    `SELECT partition_id AS id FROM system.parts WHERE active AND database = '${DATABASE}' AND table = '${table}' GROUP BY id HAVING count() > 1 OR max(level) = 0 ORDER BY id`,
  );
  for (const { id } of partitions) {
    await engine.run({ sql: `OPTIMIZE TABLE ${DATABASE}.${table} PARTITION ID '${id}' FINAL`, role: 'upkeep' });
  }
}

/** Builds the minutes of edges_1m that have rows and are not there, as the store's builder does. */
async function buildMinutes(engine: Engine): Promise<void> {
  const rows = await engine.rows<{ minute: number }>(
    `SELECT toUnixTimestamp(minute) AS minute FROM ${DATABASE}.touched_minutes WHERE minute NOT IN (SELECT minute FROM ${DATABASE}.edges_1m) GROUP BY minute ORDER BY minute`,
  );
  const missing = rows.map(({ minute }) => minute);
  while (missing.length > 0) {
    const minutes = nextMinutes(missing);
    await engine.run({ sql: buildSql(DATABASE, minutes), role: 'upkeep', settings: BUILD_SETTINGS });
    missing.splice(0, minutes.length);
    if (missing.length % 60 < minutes.length) process.stdout.write(`edges_1m: ${missing.length} minutes to go\n`);
  }
}

/** Builds the hours of edges_1h, as the store's builder does; it leaves alone what is longer ago than rows are kept. */
async function buildHours(engine: Engine, hours: number): Promise<void> {
  for (let hour = DAY_BEGIN_S; hour < DAY_BEGIN_S + hours * 3600; hour += 3600) {
    const begun = String(BigInt(Date.now()) * 1_000_000n);
    for (const sql of [buildHourSql(DATABASE, hour), hourBuiltSql(DATABASE, hour, begun)]) {
      await engine.run({ sql, role: 'upkeep', settings: BUILD_SETTINGS });
    }
  }
}

/**
 * Makes the store in `dataDir`, or what is missing of it.
 * @param rows of the whole day, about so many of requests and flows
 * @param hours how many of the day's are made, its first ones
 */
export async function makeStore(dataDir: string, rows: number, hours = 24): Promise<void> {
  const done = join(dataDir, 'complete');
  if (existsSync(done)) return;
  mkdirSync(dataDir, { recursive: true });
  const progress = join(dataDir, 'pieces');
  const begun = performance.now();
  const engine = await Engine.open(join(dataDir, 'store'), { readers: 1, writers: 1, memoryBytes: 5 * 1024 ** 3 });
  try {
    await createSchema(engine);
    await insertEndpoints(engine);
    let made = existsSync(progress) ? Number(readFileSync(progress, 'utf8')) : 0;
    const pieces = piecesOfDay(connectionsFor(rows)).slice(0, hours * PIECES_OF_HOUR);
    for (const piece of pieces.slice(made)) {
      await insertPiece(engine, piece);
      made += 1;
      writeFileSync(progress, String(made));
      if (made % PIECES_OF_HOUR === 0) {
        const s = Math.round((performance.now() - begun) / 1000);
        process.stdout.write(`made ${made} of ${pieces.length} pieces of five minutes, ${s} s\n`);
      }
    }
    for (const table of ['requests', 'flows']) await mergeAll(engine, table);
    await buildMinutes(engine);
    await buildHours(engine, hours);
    for (const table of [EDGES_1M, EDGES_1H]) await mergeAll(engine, table.name);
    writeFileSync(done, `${Math.round((performance.now() - begun) / 1000)} s\n`);
  } finally {
    await engine.close();
  }
}
