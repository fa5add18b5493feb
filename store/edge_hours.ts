/**
 * edges_1h: whole hours of edges by workload, for questions about hours and days. An hour is built from the minutes of
 * edges_1m once all of it are built. edge_hours tells which hours are; before a minute is built again, its hour is noted
 * there as one that has yet to be, and questions read its minutes meanwhile.
 */
import { tableSql } from './ddl.ts';
import { EDGE_HOLD_BACK_S } from './edge_builds.ts';
import { EDGE_COUNTS, seenByEnds } from './edge_counts.ts';
import { EDGES_1M } from './rollups.ts';
import { column, ENDPOINTS, FLOWS, type StoredColumn, type StoredTable } from './tables.ts';

/** What of both ends an hour is by: what does not change for an endpoint once it is known. */
export const HOUR_PROPERTIES = ['kind', 'namespace', 'workload', 'workload_kind'] as const;

const ENDS = ['source', 'destination'] as const;
/** Columns of edges_1h that say what is told of an end, with the end and the property of it. */
const END_COLUMNS = ENDS.flatMap((end) => HOUR_PROPERTIES.map((of) => ({ name: `${end}_${of}`, end, of })));
const KEY = ['cluster', ...END_COLUMNS.map(({ name }) => name)];

/** Connections, requests and TCP events per hour and pair of workloads, each fact once. */
export const EDGES_1H: StoredTable = {
  name: 'edges_1h',
  doc: 'Per hour and workload of source and destination: what edges_1m holds, each fact once whichever ends saw it. Read it FINAL, and only hours that edge_hours tells to be built.',
  columns: [
    { name: 'hour', type: "DateTime('UTC')", doc: 'Begin of the hour.' },
    column(FLOWS, 'cluster'),
    ...END_COLUMNS.map(
      ({ name, end, of }): StoredColumn => ({
        name,
        type: column(ENDPOINTS, of).type,
        doc: `${of} of the ${end}, as it was known when the hour was built; empty if it was not.`,
      }),
    ),
    ...EDGE_COUNTS.map(
      ({ name, merge, type, doc, unit }): StoredColumn => ({
        name,
        type: `SimpleAggregateFunction(${merge}, ${type})`,
        doc,
        ...(unit === undefined ? {} : { unit }),
      }),
    ),
    { name: 'build', type: "DateTime64(9, 'UTC')", doc: 'When this row was built; the latest counts.' },
    {
      name: 'gone',
      type: 'UInt8',
      doc: '1 if the last build found nothing of this edge any more; FINAL leaves it out.',
    },
  ],
  engine: 'ReplacingMergeTree(build, gone)',
  partitionBy: 'toYYYYMMDD(hour)',
  orderBy: `(hour, ${KEY.join(', ')})`,
  ttlDays: EDGES_1M.ttlDays,
  ttlColumn: 'hour',
};

/** Which hours edges_1h holds as their minutes are. */
export const EDGE_HOURS = {
  name: 'edge_hours',
  doc: 'Whether an hour of edges_1h is built; the latest row of it counts.',
  columns: [
    { name: 'hour', type: "DateTime('UTC')", doc: 'Begin of the hour.' },
    { name: 'is_built', type: 'UInt8', doc: '0 from before one of its minutes changes until it is built again.' },
    {
      name: 'at',
      type: "DateTime64(9, 'UTC')",
      doc: 'When its build began, or when it was noted that it is to be built.',
    },
  ],
  engine: 'ReplacingMergeTree(at)',
  partitionBy: 'tuple()',
  orderBy: 'hour',
  ttlDays: EDGES_1M.ttlDays,
  ttlColumn: 'hour',
} as const satisfies StoredTable;

/** Most hours that one look builds: there are many when the table is new, and minutes come first. */
const MOST_HOURS = 10;
const HOUR_S = 3600;

/** Begin of the hour of a time; seconds since the epoch. */
export const hourOf = (second: number): number => second - (second % HOUR_S);

/** The hours that are built, newest last, as SQL of one Array(UInt32): begins, seconds since the epoch. */
export function builtHoursSql(from: string = EDGE_HOURS.name): string {
  return `(SELECT arraySort(groupArray(toUnixTimestamp(h.hour))) FROM ${from} AS h FINAL WHERE h.is_built)`;
}

/**
 * Hours that have passed and are not built, the newest first, as SELECT of `hour`, seconds since the epoch, and `begun`,
 * the time by the database's clock, nanoseconds as a text.
 * @param patienceS only if nobody has built any for so long, seconds
 */
export function unbuiltHoursSql(database: string, patienceS: number): string {
  const [edges, hours] = [tableSql(database, EDGES_1M), tableSql(database, EDGE_HOURS)];
  const kept = `now() - ${EDGES_1M.ttlDays * 86_400 - HOUR_S}`;
  const first = `toUnixTimestamp(toStartOfHour(greatest(min(minute), ${kept})))`;
  const passed = `toUnixTimestamp(now()) - ${HOUR_S + EDGE_HOLD_BACK_S + patienceS}`;
  return [
    'SELECT toUInt32(w.hour) AS hour, toString(toUnixTimestamp64Nano(now64(9))) AS begun',
    `FROM (SELECT arrayJoin(if(count() = 0, [], range(${first}, ${passed} + 1, ${HOUR_S}))) AS hour FROM ${edges}) AS w`,
    `WHERE w.hour NOT IN (SELECT toUnixTimestamp(h.hour) FROM ${hours} AS h FINAL WHERE h.is_built)`,
    `AND (SELECT max(b.at) FROM ${hours} AS b) <= now() - ${patienceS}`,
    `ORDER BY hour DESC LIMIT ${MOST_HOURS}`,
  ].join('\n');
}

/**
 * INSERT that notes, before minutes are built, that those of their hours that have passed are to be built after it.
 * @param minutes seconds since the epoch
 */
export function hoursChangeSql(database: string, minutes: readonly number[]): string {
  const hours = [...new Set(minutes.map(hourOf))];
  return `INSERT INTO ${tableSql(database, EDGE_HOURS)} (hour, is_built, at) SELECT arrayJoin([${hours.join(', ')}]) AS hour, 0, now64(9) WHERE hour <= now() - ${HOUR_S}`;
}

/**
 * INSERT that builds an hour. Run it with BUILD_SETTINGS, then hourBuiltSql.
 * @param hour seconds since the epoch
 */
export function buildHourSql(database: string, hour: number): string {
  const [edges, hours] = [tableSql(database, EDGES_1M), tableSql(database, EDGES_1H)];
  const pair = 'cluster, source_endpoint_id, destination_endpoint_id';
  const seen = `SELECT ${pair}, ${seenByEnds(EDGE_COUNTS, undefined, true).columns.join(', ')} FROM ${edges} FINAL WHERE minute >= ${hour} AND minute < ${hour + HOUR_S} GROUP BY ${pair}`;
  // the latest names of who can have been there then
  const names = `SELECT endpoint_id, ${HOUR_PROPERTIES.map((name) => `argMax(e.${name}, e.updated) AS ${name}`).join(', ')} FROM ${tableSql(database, ENDPOINTS)} AS e WHERE e.valid_to > toDateTime64(${hour - HOUR_S}, 9, 'UTC') GROUP BY e.endpoint_id`;
  const counts = EDGE_COUNTS.map(({ name }) => name);
  const counted = EDGE_COUNTS.map(({ name, of }) => `${of} AS ${name}`).join(', ');
  const keys = END_COLUMNS.map(({ name, end, of }) => `${end}.${of} AS ${name}`).join(', ');
  const key = KEY.map((name) => `t.${name}`).join(', ');
  const ends = ENDS.map((end) => `LEFT ANY JOIN (${names}) AS ${end} ON ${end}.endpoint_id = t.${end}_endpoint_id`);
  const merged = EDGE_COUNTS.map(({ name, merge }) => `${merge}(t.${name}) AS ${name}`);
  const columns = [...KEY, ...counts].join(', ');
  return [
    `INSERT INTO ${hours} (hour, ${columns}, build, gone)`,
    `SELECT toDateTime(${hour}), ${columns}, now64(9), gone FROM (`,
    `SELECT ${key}, ${merged.join(', ')}, 0 AS gone FROM (SELECT t.cluster AS cluster, ${keys}, ${counts.map((name) => `t.${name} AS ${name}`).join(', ')} FROM (SELECT ${pair}, ${counted} FROM (${seen})) AS t ${ends.join(' ')}) AS t GROUP BY ${key}`,
    `UNION ALL SELECT ${columns}, 1 AS gone FROM ${hours} FINAL WHERE hour = ${hour}`,
    `) ORDER BY gone LIMIT 1 BY ${KEY.join(', ')}`,
  ].join('\n');
}

/**
 * INSERT that tells that an hour is built. Who has noted since that it is to be built again is not contradicted.
 * @param begun of unbuiltHoursSql, before the build
 */
export function hourBuiltSql(database: string, hour: number, begun: string): string {
  return `INSERT INTO ${tableSql(database, EDGE_HOURS)} (hour, is_built, at) SELECT ${hour}, 1, fromUnixTimestamp64Nano(${begun}, 'UTC')`;
}
