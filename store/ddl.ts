/**
 * SQL that creates the tables of tables.ts as MergeTree tables: on the embedded store and on a single ClickHouse server;
 * on a cluster in the form that cluster.ts gives them.
 */
import { type DatabaseColumn, databaseColumns } from './remainders.ts';
import type { StoredTable } from './tables.ts';

/** Blocks whose deduplication token a table remembers; at one insert a second, more than a day. */
export const DEDUPLICATION_WINDOW = 100_000;

/**
 * Settings every MergeTree table of ours has. A part is on the disk before its insert is acknowledged; a retried insert
 * with the same insert_deduplication_token changes nothing; TTL drops whole parts instead of rewriting them.
 */
const STORAGE_SETTINGS: Readonly<Record<string, number>> = {
  non_replicated_deduplication_window: DEDUPLICATION_WINDOW,
  fsync_after_insert: 1,
  fsync_part_directory: 1,
  min_rows_to_fsync_after_merge: 1,
  // A column has a file of its own from here on, which costs an insert more than all else together: buffers and syncs.
  min_bytes_for_wide_part: 128 * 1024 ** 2,
  // A partition nobody writes to any more becomes one part, and what it was merged from goes soon.
  min_age_to_force_merge_seconds: 900,
  min_age_to_force_merge_on_partition_only: 1,
  old_parts_lifetime: 30,
  merge_with_ttl_timeout: 3600,
};

/** A name as ClickHouse reads it whatever characters it has. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

/** A table of tables.ts in a statement. @param database undefined: the connection's own */
export function tableSql(database: string | undefined, { name }: { readonly name: string }): string {
  return database === undefined ? name : `${quoteName(database)}.${name}`;
}

/** A string literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `name type COMMENT '…' CODEC(…)` as CREATE TABLE and ALTER TABLE … ADD/MODIFY COLUMN take it. */
export function columnSql({ name, type, made, doc, codec = 'ZSTD(1)' }: DatabaseColumn): string {
  const isStored = made === undefined || made.startsWith('MATERIALIZED');
  return [
    `${quoteName(name)} ${type}`,
    ...(made === undefined ? [] : [made]),
    `COMMENT ${quoteText(doc)}`,
    ...(isStored ? [`CODEC(${codec})`] : []),
  ].join(' ');
}

/** The TTL expression of the table, or undefined if its rows are kept. */
export function ttlSql(table: StoredTable): string | undefined {
  if (table.ttlDays === 0) return undefined;
  const days = `toDateTime(${table.ttlColumn ?? 'time'}) + toIntervalDay(${table.ttlDays})`;
  return table.ttlWhere === undefined ? days : `${days} WHERE ${table.ttlWhere}`;
}

/** Settings of the table, in the order in which they are written. */
export function settingsOf(table: StoredTable): [string, number][] {
  return Object.entries({ ...STORAGE_SETTINGS, ttl_only_drop_parts: table.partitionBy === 'tuple()' ? 0 : 1 });
}

/** How a table is made on a cluster. */
export interface ClusterForm {
  /** Name of the cluster, for ON CLUSTER. */
  readonly cluster: string;
  readonly engine: string;
  /** Instead of those of settingsOf. */
  readonly settings: readonly (readonly [string, number])[];
}

/** ` ON CLUSTER name`, or nothing. */
export function onCluster(cluster: string | undefined): string {
  return cluster === undefined ? '' : ` ON CLUSTER ${quoteName(cluster)}`;
}

/**
 * CREATE TABLE for one table.
 * @param name table name to create it under; the table's own unless it is being rebuilt beside the old one
 */
export function createTableSql(
  database: string,
  table: StoredTable,
  name: string = table.name,
  form?: ClusterForm,
): string {
  const ttl = ttlSql(table);
  return [
    `CREATE TABLE IF NOT EXISTS ${quoteName(database)}.${quoteName(name)}${onCluster(form?.cluster)}\n(`,
    [...databaseColumns(table).map(columnSql), ...(table.indices ?? []).map((index) => `INDEX ${index}`)]
      .map((line) => `    ${line}`)
      .join(',\n'),
    `)\nENGINE = ${form?.engine ?? table.engine}`,
    `PARTITION BY ${table.partitionBy}`,
    `ORDER BY ${table.orderBy}`,
    ...(ttl === undefined ? [] : [`TTL ${ttl}`]),
    `SETTINGS ${(form?.settings ?? settingsOf(table)).map(([key, value]) => `${key} = ${value}`).join(', ')}`,
    `COMMENT ${quoteText(table.doc)}`,
  ].join('\n');
}
