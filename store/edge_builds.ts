/**
 * How edges_1m comes about. It is not summed up as rows come in, because who an end is may be known later (resolved.ts):
 * a minute is built from its resolved rows some time after it has passed, and again whenever rows or news of addresses
 * have come in that concern it. A build replaces the whole minute, whatever was there: edges that it finds, and as `gone`
 * those that it does not find any more. Minutes that are not built yet are read from the rows.
 */
import { quoteText, tableSql } from './ddl.ts';
import { EXPIRATIONS } from './expirations.ts';
import { OTHER_END_WITHIN_S, withOtherEnds } from './other_views.ts';
import { resolvedRows, type TimeWindow } from './resolved.ts';
import { EDGE_AGGREGATES, EDGE_KEY, EDGES_1M, type EdgeAggregate } from './rollups.ts';
import { ENDPOINT_ADDRESSES, FLOWS, REQUESTS, type StoredTable, type Table, TCP_EVENTS } from './tables.ts';
import type { View } from './view.ts';

/** A minute is built no earlier than so long after its end: rows are delivered, and news of addresses come in, by then. */
export const EDGE_HOLD_BACK_S = 90;
/** Most minutes that one build takes: bounds its memory after an outage. */
const MOST_MINUTES = 15;
/** They lie within so long, so that rows in between are not looked through. */
const MOST_SPAN_S = 3600;
/** A row that was inserted while a minute was being built may be missing in it. */
const OVERLAP_S = 30;
/** What was touched so long before the last build has been looked at. */
const LOOKED_AT_H = 3;

const SOURCES: readonly Table[] = [FLOWS, REQUESTS, TCP_EVENTS];
const MINUTE = "toDateTime(toStartOfMinute(time), 'UTC')";
const KEY = EDGE_KEY.join(', ');

/** Which minutes have had rows or news, and when last. */
export const TOUCHED_MINUTES: StoredTable = {
  name: 'touched_minutes',
  doc: 'When something came in that concerns a minute of edges_1m.',
  columns: [
    { name: 'minute', type: "DateTime('UTC')", doc: 'Begin of the minute.' },
    { name: 'touched', type: "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))", doc: 'When last.' },
  ],
  engine: 'AggregatingMergeTree',
  partitionBy: 'tuple()',
  orderBy: 'minute',
  ttlDays: 8,
  ttlColumn: 'minute',
};

/** What notes the minutes that inserts concern. News of an address concern the minutes, so far, that had rows. */
export const TOUCHES: readonly View[] = [
  ...SOURCES.map(
    (table): View => ({
      name: `touched_minutes_from_${table.name}`,
      doc: `Notes the minutes that rows of ${table.name} fall into.`,
      feed: { from: table.name, into: TOUCHED_MINUTES.name },
      select: (database) =>
        `SELECT ${MINUTE} AS minute, now64(9) AS touched FROM ${tableSql(database, table)} GROUP BY minute`,
    }),
  ),
  {
    name: `touched_minutes_from_${ENDPOINT_ADDRESSES.name}`,
    doc: `Notes the minutes whose rows may be told differently because of rows of ${ENDPOINT_ADDRESSES.name}.`,
    feed: { from: ENDPOINT_ADDRESSES.name, into: TOUCHED_MINUTES.name },
    select: (database) =>
      [
        'SELECT m.minute AS minute, now64(9) AS touched',
        `FROM (SELECT toStartOfMinute(min(changed_from)) AS since FROM ${tableSql(database, ENDPOINT_ADDRESSES)}) AS news`,
        `CROSS JOIN (SELECT DISTINCT minute FROM ${tableSql(database, TOUCHED_MINUTES)}) AS m`,
        'WHERE m.minute >= news.since',
      ].join('\n'),
  },
];

/**
 * Time, as SQL of one DateTime, up to which edges_1m holds every minute that had rows: later ones are to be read from
 * the rows, and from them alone.
 * @param database undefined: the connection's own
 */
export function builtUntilSql(database?: string): string {
  const passed = `toStartOfMinute(now() - ${EDGE_HOLD_BACK_S})`;
  return `(SELECT least(max(minute) + 60, ${passed}) FROM ${tableSql(database, EDGES_1M)})`;
}

/**
 * Resolved rows whose ends are told by the other views of requests where only those know them, in parentheses: both views
 * of a request are then of one edge.
 * @param since first time of rows, as SQL
 * @param window all of it, where it has an end
 */
export function rowsOfEdges(database: string, table: Table, since: string, window?: TimeWindow): string {
  const within = `toIntervalSecond(${OTHER_END_WITHIN_S})`;
  const until = window === undefined ? '' : ` AND v.time < ${window.until} + ${within}`;
  const views = {
    from: `${tableSql(database, REQUESTS)} AS v`,
    where: `v.time >= ${since} - ${within}${until}`,
  };
  return `(${withOtherEnds(table, resolvedRows(database, table, window), views)})`;
}

/** Edges of one table's rows, with what that table cannot tell empty. */
function edgesOf(database: string, table: Table, where: string, since: string, window?: TimeWindow): string {
  const own = ({ table: of, name, of: made, empty }: EdgeAggregate) => `${of === table ? made : empty} AS ${name}`;
  return `SELECT ${MINUTE} AS minute, ${KEY}, ${EDGE_AGGREGATES.map(own).join(', ')} FROM ${rowsOfEdges(database, table, since, window)} AS t WHERE ${where} GROUP BY minute, ${KEY}`;
}

const merged = EDGE_AGGREGATES.map(({ name, merge }) => `${merge}(e.${name}) AS ${name}`).join(', ');

/**
 * Minutes that are to be built, as SELECT of one column `minute`, seconds since the epoch. First come those that never
 * were, the oldest first: until they are, questions look through rows. What is built again, because news of an address
 * reach back for days, waits behind them.
 */
export function dirtyMinutesSql(database: string): string {
  const edges = tableSql(database, EDGES_1M);
  const names = `(${SOURCES.map(({ name }) => quoteText(name)).join(', ')})`;
  const lastBuild = `(SELECT max(build) FROM ${edges} WHERE minute >= (SELECT max(minute) FROM ${edges}) - 600)`;
  const touched = `SELECT minute, max(t.touched) AS last_touched FROM ${tableSql(database, TOUCHED_MINUTES)} AS t WHERE t.touched >= ${lastBuild} - toIntervalHour(${LOOKED_AT_H}) GROUP BY minute`;
  const days = `(SELECT minOrNull(toUInt32OrNull(extract(engine_full, 'toIntervalDay\\\\((\\\\d+)\\\\)'))) FROM system.tables WHERE database = ${quoteText(database)} AND name IN ${names})`;
  return [
    `SELECT toUnixTimestamp(t.minute) AS minute FROM (${touched}) AS t`,
    `LEFT JOIN (SELECT minute, max(build) AS last_build FROM ${edges} WHERE minute IN (SELECT minute FROM (${touched})) GROUP BY minute) AS b ON t.minute = b.minute`,
    `WHERE t.minute <= now() - ${60 + EDGE_HOLD_BACK_S} AND t.last_touched > b.last_build - toIntervalSecond(${OVERLAP_S})`,
    // Minutes of which rows have been deleted stay as they were built.
    `  AND t.minute >= ifNull((SELECT maxOrNull(expired_before) FROM ${tableSql(database, EXPIRATIONS)} WHERE table_name IN ${names}), toDateTime64(0, 9, 'UTC'))`,
    `  AND t.minute > now() - toIntervalDay(ifNull(${days}, 10000))`,
    'ORDER BY b.last_build > toDateTime64(0, 9), minute',
  ].join('\n');
}

/**
 * Of the minutes that are to be built those that one build takes.
 * @param dirty seconds since the epoch, as dirtyMinutesSql orders them
 * @returns in order of time
 */
export function nextMinutes(dirty: readonly number[]): number[] {
  const [first = 0] = dirty;
  const near = dirty.filter((minute) => minute >= first && minute < first + MOST_SPAN_S);
  return near.slice(0, MOST_MINUTES).sort((a, b) => a - b);
}

const KEY_COLUMNS = EDGE_KEY.map((name) => `e.${name} AS ${name}`).join(', ');
const BY_KEY = `GROUP BY e.minute, ${EDGE_KEY.map((name) => `e.${name}`).join(', ')}`;

/**
 * INSERT that builds minutes. Run it with BUILD_SETTINGS.
 * @param minutes seconds since the epoch, in order, at least one
 */
export function buildSql(database: string, minutes: readonly number[]): string {
  const list = minutes.join(', ');
  const at = (second: number) => `toDateTime64(${second}, 9, 'UTC')`;
  const window = { since: at(minutes[0]!), until: at(minutes.at(-1)! + 60) };
  const inMinutes = `time >= ${window.since} AND time < ${window.until} AND toUnixTimestamp(${MINUTE}) IN (${list})`;
  const built = `minute >= ${minutes[0]} AND minute <= ${minutes.at(-1)} AND toUnixTimestamp(minute) IN (${list})`;
  const empty = EDGE_AGGREGATES.map((one) => `${one.empty} AS ${one.name}`).join(', ');
  const edges = tableSql(database, EDGES_1M);
  return [
    `INSERT INTO ${edges} (minute, ${KEY}, ${EDGE_AGGREGATES.map(({ name }) => name).join(', ')}, build, gone)`,
    `SELECT e.minute AS minute, ${KEY_COLUMNS}, ${merged}, now64(9) AS build, min(e.gone) AS gone FROM (`,
    ...SOURCES.map(
      (table) => `SELECT *, 0 AS gone FROM (${edgesOf(database, table, inMinutes, window.since, window)}) UNION ALL`,
    ),
    `SELECT minute, ${KEY}, ${empty}, 1 AS gone FROM ${edges} FINAL WHERE ${built}`,
    `) AS e ${BY_KEY}`,
  ].join('\n');
}

/** One thread, so that inserts and questions have the others; one block, so that a build is there whole or not at all. */
export const BUILD_SETTINGS: Readonly<Record<string, string>> = {
  max_threads: '1',
  min_insert_block_size_rows: '10000000',
  min_insert_block_size_bytes: '0',
  insert_deduplicate: '0',
};

/** edges_1m with the minutes that are not built yet, from the rows. */
export const CURRENT_EDGES: View = {
  name: 'edges_1m_current',
  doc: 'edges_1m as it stands, and from the rows the minutes that are not built yet.',
  select: (database) => {
    const until = builtUntilSql(database);
    const columns = ['minute', ...EDGE_KEY, ...EDGE_AGGREGATES.map(({ name }) => name)].join(', ');
    return [
      `SELECT ${columns} FROM ${tableSql(database, EDGES_1M)} FINAL WHERE minute < ${until}`,
      'UNION ALL',
      `SELECT e.minute AS minute, ${KEY_COLUMNS}, ${merged}`,
      `FROM (${SOURCES.map((table) => edgesOf(database, table, `time >= ${until}`, until)).join('\nUNION ALL ')}) AS e ${BY_KEY}`,
    ].join('\n');
  },
};
