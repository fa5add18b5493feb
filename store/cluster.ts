/**
 * The schema on a ClickHouse cluster: of each table a replicated one on every shard, `<name>_local`, and a Distributed one
 * over them under the table's own name, through which everything is written and read. Feeds run on each shard, from local
 * table to local table, so that an insert's token counts for them as well. The statements are read by the engine's parser
 * in test/store/cluster.test.ts; NO REPLICATED SERVER HAS EVER RUN THEM: there was none to be had.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import {
  type ClusterForm,
  columnSql,
  createTableSql,
  DEDUPLICATION_WINDOW,
  onCluster,
  quoteName,
  quoteText,
  settingsOf,
} from './ddl.ts';
import { MigrationError } from './errors.ts';
import { databaseColumns } from './remainders.ts';
import { createViewSql, SCHEMA, type Schema } from './schema.ts';
import type { StoredTable } from './tables.ts';
import type { View } from './view.ts';

const LOCAL = '_local';

/** Longest that a token is remembered, in seconds: a week. The window in blocks is that of ddl.ts. */
const DEDUPLICATION_WINDOW_S = 7 * 86_400;

/**
 * Settings of every INSERT into a cluster. Acknowledged means: on the shards, not in the queue of the server that was
 * asked; the token goes along to the shards, and through the feeds. The server that was asked makes the rests of columns
 * (remainders.ts), because it does not send on what they are made of; without the last setting it would keep them too.
 */
export const CLUSTER_INSERT_SETTINGS = {
  distributed_foreground_insert: 1,
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  insert_allow_materialized_columns: 1,
} as const;

/** Settings of every question to a cluster: subqueries over a Distributed table are asked once and sent to the shards. */
export const CLUSTER_QUERY_SETTINGS = { distributed_product_mode: 'global' } as const;

/**
 * The engine on a shard.
 * @param engine of the table on one machine, such as `ReplacingMergeTree(build, gone)`
 */
function replicated(engine: string, database: string, name: string): string {
  const [, family = engine, own = ''] = /^(\w+)(?:\((.*)\))?$/.exec(engine) ?? [];
  const path = quoteText(`/clickhouse/tables/{shard}/${database}/${name}`);
  return `Replicated${family}(${[path, quoteText('{replica}'), ...(own === '' ? [] : [own])].join(', ')})`;
}

/**
 * Which shard a row goes to: rows of facts by the node that saw them, so that a collector's batch is one insert into one
 * shard; rows that replace or aggregate each other by their key, so that they meet.
 */
function shardingKey(table: StoredTable): string {
  const byNode = table.engine === 'MergeTree' && table.columns.some(({ name }) => name === 'node');
  return `sipHash64(${byNode ? 'node' : table.orderBy.replace(/^\((.*)\)$/s, '$1')})`;
}

function localTableSql(database: string, table: StoredTable, cluster: string): string {
  const name = table.name + LOCAL;
  const settings = settingsOf(table).filter(([key]) => key !== 'non_replicated_deduplication_window');
  const form: ClusterForm = {
    cluster,
    engine: replicated(table.engine, database, name),
    settings: [
      ['replicated_deduplication_window', DEDUPLICATION_WINDOW],
      ['replicated_deduplication_window_seconds', DEDUPLICATION_WINDOW_S],
      ...settings,
    ],
  };
  return createTableSql(database, table, name, form);
}

function distributedTableSql(database: string, table: StoredTable, cluster: string): string {
  const [own, local] = [table.name, table.name + LOCAL].map((name) => `${quoteName(database)}.${quoteName(name)}`);
  const place = [cluster, database, table.name + LOCAL].map(quoteText).join(', ');
  return [
    `CREATE TABLE IF NOT EXISTS ${own}${onCluster(cluster)} AS ${local}`,
    `ENGINE = Distributed(${place}, ${shardingKey(table)})`,
    `COMMENT ${quoteText(table.doc)}`,
  ].join('\n');
}

/** Columns that a later version has added. */
function addColumnsSql(database: string, table: StoredTable, name: string, cluster: string): string {
  const columns = databaseColumns(table).map((column) => {
    // Distributed tables store nothing, so that their columns have no codec.
    const sql = name === table.name ? columnSql(column).replace(/ CODEC\(.*\)$/, '') : columnSql(column);
    return `ADD COLUMN IF NOT EXISTS ${sql}`;
  });
  return `ALTER TABLE ${quoteName(database)}.${quoteName(name)}${onCluster(cluster)}\n${columns.join(',\n')}`;
}

/** A feed from local table to local table; other views as they are. */
function onShards(view: View, tables: readonly StoredTable[]): View {
  if (view.feed === undefined) return view;
  const { from, into } = view.feed;
  const names = new RegExp(`(?<=\\.\`?)(${tables.map(({ name }) => name).join('|')})\\b(?=\`|\\s|\\)|$)`, 'g');
  return {
    ...view,
    feed: { from: from + LOCAL, into: into + LOCAL },
    select: (database) => view.select(database).replace(names, `$1${LOCAL}`),
  };
}

/** Everything that makes the schema on a cluster, in order. Each statement may run again. */
export function clusterStatements(database: string, cluster: string, schema: Schema = SCHEMA): string[] {
  const { tables, views } = schema;
  return [
    `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}${onCluster(cluster)}`,
    ...tables.flatMap((table) => [
      localTableSql(database, table, cluster),
      addColumnsSql(database, table, table.name + LOCAL, cluster),
      distributedTableSql(database, table, cluster),
      addColumnsSql(database, table, table.name, cluster),
    ]),
    ...views.map((view) => createViewSql(database, onShards(view, tables), cluster)),
  ];
}

function fail(query: string, cause: Error): never {
  throw new MigrationError(
    'FLOW_STORE_MIGRATION',
    `${cause.message}: check that clickhouse.cluster is a cluster of the server, that its servers have the macros shard and replica, and the account's rights; it was: ${query.slice(0, 300)}`,
    { cause },
  );
}

/** Tables of a version that stored by itself what is put together now would read as empty what new rows have there. */
async function refuseOlder(client: ClickHouseClient, database: string): Promise<void> {
  const putTogether = SCHEMA.tables.flatMap((table) =>
    table.columns
      .filter(({ remainder }) => remainder !== undefined)
      .map(({ name }) => `(${quoteText(table.name)}, ${quoteText(name)})`),
  );
  const query = `SELECT DISTINCT table FROM system.columns WHERE database = ${quoteText(database)} AND default_kind != 'ALIAS' AND (table, name) IN (${putTogether.join(', ')})`;
  const answer = client.query({ query, format: 'JSONEachRow' }).then((result) => result.json<{ table: string }>());
  const older = (await answer.catch((cause) => fail(query, cause))).map(({ table }) => table);
  if (older.length === 0) return;
  throw new MigrationError(
    'FLOW_STORE_MIGRATION',
    `${older.join(', ')} of ${database} are of a version that stored other columns, and rows are not copied on a cluster: set clickhouse.database to a new one, and drop ${database} when its rows have served`,
  );
}

/**
 * Makes the schema on a cluster, and adds columns that are missing. Other changes of a schema (types, sort keys, feeds)
 * are not made on a cluster; the embedded store and a single server have migrate.ts.
 * @throws MigrationError FLOW_STORE_MIGRATION with the statement that failed, or the tables that cannot be brought here
 */
export async function migrateCluster(client: ClickHouseClient, database: string, cluster: string): Promise<void> {
  await refuseOlder(client, database);
  for (const query of clusterStatements(database, cluster)) {
    await client.command({ query }).catch((cause) => fail(query, cause));
  }
}
