/**
 * Brings a database to what schema.ts says, from nothing or from any earlier state: what is there is compared with a
 * fresh, empty table made beside it, so that old and new installations end alike.
 */
import { randomBytes } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { columnSql, createTableSql, quoteName, quoteText } from './ddl.ts';
import { MigrationError } from './errors.ts';
import { databaseColumns, insertedAs } from './remainders.ts';
import { createViewSql, SCHEMA, type Schema, schemaHash, viewComment } from './schema.ts';
import type { StoredTable } from './tables.ts';

/** Where migrations are written down. */
const MIGRATIONS_TABLE: StoredTable = {
  name: 'schema_migrations',
  doc: 'One row per change of this database: the schema it ended with.',
  columns: [
    { name: 'applied', type: "DateTime64(9, 'UTC')", doc: 'When.' },
    { name: 'schema_hash', type: 'String', doc: 'Hash of the whole schema after it.' },
    { name: 'statements', type: 'Array(String)', doc: 'What was run.' },
  ],
  engine: 'MergeTree',
  partitionBy: 'tuple()',
  orderBy: 'applied',
  ttlDays: 0,
};

/** Name suffix of the fresh table that an existing one is compared with; each process has its own. */
const NEXT = `__next_${randomBytes(4).toString('hex')}`;
/** Name suffix of a table that has been replaced and whose rows are being copied. */
const REPLACED = '__replaced';

interface ColumnState {
  readonly name: string;
  readonly type: string;
  readonly codec: string;
  readonly comment: string;
}

interface IndexState {
  readonly name: string;
  readonly definition: string;
}

interface TableState {
  /** Engine, partitions and order, and of what columns are made: nothing of it can be altered under rows that are there. */
  readonly layout: string;
  readonly ttl: string;
  readonly settings: string;
  readonly comment: string;
  readonly columns: readonly ColumnState[];
  readonly indices: readonly IndexState[];
}

/**
 * Brings the database to the schema; makes it if it is not there. Nothing is done if the last migration ended with
 * this very schema. May run from several processes at once.
 * @param schema what to end with; this version's unless a test says otherwise
 * @throws MigrationError FLOW_STORE_MIGRATION with the statement that failed
 */
export async function migrate(client: ClickHouseClient, database: string, schema: Schema = SCHEMA): Promise<void> {
  const run = new Run(client, database);
  await run.command(`CREATE DATABASE IF NOT EXISTS ${quoteName(database)}`);
  await run.command(createTableSql(database, MIGRATIONS_TABLE));
  const wanted = schemaHash(database, schema);
  const [last] = await run.rows<{ schema_hash: string }>(
    `SELECT schema_hash FROM ${run.named(MIGRATIONS_TABLE.name)} ORDER BY applied DESC LIMIT 1`,
  );
  if (last?.schema_hash === wanted) return;
  run.statements.length = 0;
  await dropChangedFeeds(run, schema);
  for (const table of [MIGRATIONS_TABLE, ...schema.tables]) {
    await bringTable(run, table, schema);
  }
  await createViews(run, schema);
  await client.insert({
    table: `${quoteName(database)}.${quoteName(MIGRATIONS_TABLE.name)}`,
    values: [{ applied: `${Date.now()}000000`, schema_hash: wanted, statements: run.statements }],
    format: 'JSONEachRow',
  });
}

class Run {
  readonly statements: string[] = [];
  readonly database: string;
  readonly #client: ClickHouseClient;

  constructor(client: ClickHouseClient, database: string) {
    this.#client = client;
    this.database = database;
  }

  named(name: string): string {
    return `${quoteName(this.database)}.${quoteName(name)}`;
  }

  async command(query: string): Promise<void> {
    try {
      await this.#client.command({ query });
    } catch (cause) {
      const { code, message } = cause as Error & { code?: unknown };
      // ClickHouse's own refusals carry its number; anything else happened on the way to it.
      const next = /^\d+$/.test(String(code))
        ? "check the account's rights and the server's version"
        : 'check that ClickHouse runs and is reached at clickhouse.url';
      throw new MigrationError('FLOW_STORE_MIGRATION', `${message}: ${next}; it was: ${query.slice(0, 300)}`, {
        cause,
      });
    }
    this.statements.push(query);
  }

  async rows<Row>(query: string): Promise<Row[]> {
    const result = await this.#client.query({ query, format: 'JSONEachRow' });
    return await result.json<Row>();
  }
}

/** Feeds that are to change are dropped before the tables they read and write do. */
async function dropChangedFeeds(run: Run, schema: Schema): Promise<void> {
  const present = await run.rows<{ name: string; comment: string }>(
    `SELECT name, comment FROM system.tables WHERE database = ${quoteText(run.database)} AND engine = 'MaterializedView'`,
  );
  for (const { name, comment } of present) {
    const view = schema.views.find((candidate) => candidate.name === name);
    if (view === undefined || viewComment(view) !== comment) {
      await run.command(`DROP VIEW IF EXISTS ${run.named(name)}`);
    }
  }
}

async function createViews(run: Run, schema: Schema): Promise<void> {
  for (const view of schema.views) {
    await run.command(createViewSql(run.database, view));
  }
  const names = schema.views.map((view) => quoteText(view.name)).join(', ') || "''";
  const left = await run.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = ${quoteText(run.database)} AND engine = 'View' AND name NOT IN (${names})`,
  );
  for (const { name } of left) await run.command(`DROP VIEW IF EXISTS ${run.named(name)}`);
}

async function bringTable(run: Run, table: StoredTable, schema: Schema): Promise<void> {
  const before = await stateOf(run, table.name);
  if (before === undefined) {
    await run.command(createTableSql(run.database, table));
    return;
  }
  const next = table.name + NEXT;
  await run.command(createTableSql(run.database, table, next));
  try {
    const wanted = (await stateOf(run, next))!;
    if (before.layout === wanted.layout) await alter(run, table, before, wanted);
    else await replace(run, table, schema);
  } finally {
    await run.command(`DROP TABLE IF EXISTS ${run.named(next)} SYNC`);
  }
  await copyReplaced(run, table);
}

/**
 * A table whose engine or order has changed, or what its columns are made of, is replaced by the fresh one and its rows
 * are copied: ClickHouse cannot alter these. Rows that are inserted meanwhile are in the fresh one already. Its feeds are
 * down while it is copied, so that no row is counted twice.
 */
async function replace(run: Run, table: StoredTable, schema: Schema): Promise<void> {
  for (const { name, feed } of schema.views) {
    if (feed?.from === table.name || feed?.into === table.name)
      await run.command(`DROP VIEW IF EXISTS ${run.named(name)}`);
  }
  const [name, next, replaced] = [table.name, table.name + NEXT, table.name + REPLACED].map((each) => run.named(each));
  await run.command(`RENAME TABLE ${name} TO ${replaced}, ${next} TO ${name}`);
}

/** Copies what stands in a replaced table, partition by partition; goes on where an earlier process was cut off. */
async function copyReplaced(run: Run, table: StoredTable): Promise<void> {
  const replaced = table.name + REPLACED;
  const before = await stateOf(run, replaced);
  if (before === undefined) return;
  const kept = table.columns.filter(({ name }) => before.columns.some((column) => column.name === name));
  const into = kept.map((column) => quoteName(insertedAs(column))).join(', ');
  const names = kept.map(({ name }) => quoteName(name)).join(', ');
  // Rows of one key that no merge has put together yet would become one of them under another engine.
  const final = /^(Aggregating|Replacing)/.test(before.layout) ? ' FINAL' : '';
  const partitions = await run.rows<{ id: string }>(
    `SELECT DISTINCT partition_id AS id FROM system.parts
     WHERE active AND database = ${quoteText(run.database)} AND table = ${quoteText(replaced)} ORDER BY id`,
  );
  for (const { id } of partitions) {
    // One thread makes the same blocks again, and the token then keeps a second copy of them out.
    await run.command(
      `INSERT INTO ${run.named(table.name)} (${into}) SELECT ${names} FROM ${run.named(replaced)}${final} WHERE _partition_id = ${quoteText(id)} SETTINGS max_threads = 1, max_insert_threads = 1, insert_deduplicate = 1, insert_deduplication_token = ${quoteText(`copy-${id}`)}`,
    );
    await run.command(`ALTER TABLE ${run.named(replaced)} DROP PARTITION ID ${quoteText(id)}`);
  }
  await run.command(`DROP TABLE IF EXISTS ${run.named(replaced)} SYNC`);
}

/** Skip indices that are to change go before the columns they are made of change. */
async function dropChangedIndices(run: Run, table: StoredTable, before: TableState, wanted: TableState): Promise<void> {
  for (const index of before.indices.filter((each) => !hasIndex(wanted, each))) {
    await run.command(`ALTER TABLE ${run.named(table.name)} DROP INDEX IF EXISTS ${quoteName(index.name)}`);
  }
}

async function addIndices(run: Run, table: StoredTable, before: TableState, wanted: TableState): Promise<void> {
  const alterTable = `ALTER TABLE ${run.named(table.name)}`;
  for (const [position, index] of wanted.indices.entries()) {
    if (hasIndex(before, index)) continue;
    const place = position === 0 ? 'FIRST' : `AFTER ${quoteName(wanted.indices[position - 1]!.name)}`;
    await run.command(`${alterTable} ADD INDEX IF NOT EXISTS ${index.definition} ${place}`);
    await run.command(`${alterTable} MATERIALIZE INDEX ${quoteName(index.name)}`);
  }
}

function hasIndex(state: TableState, index: IndexState): boolean {
  return state.indices.some(({ definition }) => definition === index.definition);
}

async function alter(run: Run, table: StoredTable, before: TableState, wanted: TableState): Promise<void> {
  const alterTable = `ALTER TABLE ${run.named(table.name)}`;
  await dropChangedIndices(run, table, before, wanted);
  const present = before.columns.map(({ name }) => name);
  for (const { name } of before.columns.filter(({ name }) => !wanted.columns.some((column) => column.name === name))) {
    await run.command(`${alterTable} DROP COLUMN IF EXISTS ${quoteName(name)}`);
    present.splice(present.indexOf(name), 1);
  }
  const columns = databaseColumns(table);
  for (const [position, column] of columns.entries()) {
    const place = position === 0 ? 'FIRST' : `AFTER ${quoteName(columns[position - 1]!.name)}`;
    const old = before.columns.find(({ name }) => name === column.name);
    if (old === undefined) {
      await run.command(`${alterTable} ADD COLUMN IF NOT EXISTS ${columnSql(column)} ${place}`);
      present.splice(position, 0, column.name);
      continue;
    }
    const same = JSON.stringify(old) === JSON.stringify(wanted.columns[position]);
    if (same && present[position] === column.name) continue;
    await run.command(`${alterTable} MODIFY COLUMN ${columnSql(column)} ${place}`);
    present.splice(present.indexOf(column.name), 1);
    present.splice(position, 0, column.name);
  }
  await addIndices(run, table, before, wanted);
  if (before.ttl !== wanted.ttl) {
    await run.command(wanted.ttl === '' ? `${alterTable} REMOVE TTL` : `${alterTable} MODIFY TTL ${wanted.ttl}`);
  }
  if (before.settings !== wanted.settings) await run.command(`${alterTable} MODIFY SETTING ${wanted.settings}`);
  if (before.comment !== wanted.comment) await run.command(`${alterTable} MODIFY COMMENT ${quoteText(wanted.comment)}`);
}

async function stateOf(run: Run, name: string): Promise<TableState | undefined> {
  const where = `database = ${quoteText(run.database)} AND table = ${quoteText(name)}`;
  const [table] = await run.rows<{ engine_full: string; comment: string }>(
    `SELECT engine_full, comment FROM system.tables WHERE ${where}`,
  );
  if (table === undefined) return undefined;
  const columns = await run.rows<ColumnState>(
    `SELECT name, type, compression_codec AS codec, comment FROM system.columns WHERE ${where} ORDER BY position`,
  );
  const made = await run.rows<Record<string, string>>(
    `SELECT name, default_kind, default_expression FROM system.columns WHERE ${where} AND default_kind != '' ORDER BY name`,
  );
  const indices = await run.rows<IndexState>(
    `SELECT name, concat(name, ' ', expr, ' TYPE ', type_full, ' GRANULARITY ', toString(granularity)) AS definition
     FROM system.data_skipping_indices WHERE ${where}`,
  );
  const [, layout, ttl, settings] = /^(.*?)(?: TTL (.*?))?(?: SETTINGS (.*))?$/s.exec(table.engine_full) ?? [];
  return {
    layout: [layout ?? '', ...made.map((column) => Object.values(column).join(' '))].join('\n'),
    ttl: ttl ?? '',
    settings: (settings ?? '').split(', ').sort().join(', '),
    comment: table.comment,
    columns,
    indices,
  };
}
