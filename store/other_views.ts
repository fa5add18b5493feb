/**
 * Ends of rows that only the other view of the same requests knows. Who is in a node's own network, or behind another
 * node's port, cannot be told by address; but both ends know an exchange by the same two sequence numbers, and each
 * observed itself. Intervals and events have no such number: they are told by the requests of their connection in the
 * same minute, so that what is told of a minute does not depend on which others are read with it.
 */
import { hopSql } from './ids.ts';
import { isHint } from './resolved.ts';
import { REQUESTS, type StoredTable } from './tables.ts';

/**
 * How far the ends of one exchange may lie apart at its two ends, in seconds: clocks differ, lost last bytes are sent
 * again, and a client gives up long before the server has answered.
 */
export const OTHER_END_WITHIN_S = 30;

/** Views of requests to look into. */
export interface Views {
  /** What stands behind FROM; its alias is `v`. */
  readonly from: string;
  /** Condition on `v`: a span of time, OTHER_END_WITHIN_S longer at both sides than that of the rows. */
  readonly where: string;
}

const ENDS = ['source', 'destination'] as const;
type End = (typeof ENDS)[number];

/** Who does not observe an end: what such a view says of it is to be replaced. */
const AFAR: Readonly<Record<End, string>> = { source: 'server', destination: 'client' };

/** What rows `alias` of a table have in common with the requests that tell their other end. */
function keys(table: StoredTable, alias: string): Readonly<Record<string, string>> {
  const cluster = `${alias}.cluster`;
  if (table.name === REQUESTS.name)
    return { cluster, hop: hopSql(alias), afar: `${alias}.observation_point = '${AFAR.source}'` };
  const names = ['boot_id', 'socket_cookie', 'generation'];
  const connection = Object.fromEntries(names.map((name) => [name, `${alias}.${name}`]));
  return { cluster, ...connection, minute: `toStartOfMinute(${alias}.time)` };
}

const named = (columns: Readonly<Record<string, string>>) =>
  Object.entries(columns).map(([name, of]) => `${of} AS ${name}`);

/** SELECT of who the other end is, `endpoint_id` and `basis`, by keys of the table. */
function told(table: StoredTable, { from, where }: Views): string {
  const own = (what: string) => `if(v.observation_point = 'client', v.source_${what}, v.destination_${what})`;
  const asks = ENDS.map((end) => `(v.observation_point = '${AFAR[end]}' AND ${isHint(end, 'v')})`).join(' OR ');
  const knows = ENDS.map((end) => `(v.observation_point != '${AFAR[end]}' AND NOT ${isHint(end, 'v')})`).join(' OR ');
  const exchange = (point: string) =>
    `v.time AS seen, v.cluster AS in_cluster, ${hopSql('v')} AS exchange, v.observation_point = '${point}' AS of_client`;
  // sequences of 0 are none
  const both = `${where} AND v.observation_point IN ('client', 'server') AND ${hopSql('v')} != 0`;
  const names = Object.keys(keys(table, 'v'));
  return [
    `SELECT ${names.map((name) => `asking.${name} AS ${name}`).join(', ')}, any(knowing.endpoint_id) AS endpoint_id, any(knowing.basis) AS basis`,
    `FROM (SELECT ${exchange('client')}, ${own('endpoint_id')} AS endpoint_id, ${own('basis')} AS basis FROM ${from} WHERE ${both} AND (${knows})) AS knowing`,
    `INNER JOIN (SELECT ${exchange('server')}, ${named(keys(table, 'v')).join(', ')} FROM ${from} WHERE ${both} AND (${asks})) AS asking`,
    'ON knowing.in_cluster = asking.in_cluster AND knowing.exchange = asking.exchange AND knowing.of_client = asking.of_client',
    `WHERE knowing.endpoint_id != 0 AND abs(dateDiff('millisecond', knowing.seen, asking.seen)) <= ${OTHER_END_WITHIN_S * 1000}`,
    `GROUP BY ${names.join(', ')}`,
  ].join(' ');
}

/**
 * Condition that a row `alias` has the other view tell an end, perhaps as one of whom a condition holds. Of intervals and
 * events it leaves open whom: finding their requests costs more than reading them.
 * @param holds condition on an endpoint's id
 */
export function otherViewMayHold(
  table: StoredTable,
  end: End,
  alias: string,
  { from, where }: Views,
  holds: (id: string) => string,
): string {
  const asks = `${alias}.observation_point = '${AFAR[end]}' AND ${isHint(end, alias)}`;
  if (table.name !== REQUESTS.name) return `(${asks})`;
  const knows = `v.observation_point IN ('client', 'server') AND v.observation_point != '${AFAR[end]}' AND NOT ${isHint(end, 'v')}`;
  const known = `SELECT ${hopSql('v')} FROM ${from} WHERE ${where} AND ${knows} AND ${holds(`v.${end}_endpoint_id`)}`;
  return `(${asks} AND ${hopSql(alias)} IN (${known}))`;
}

/**
 * SELECT of rows of flows, requests or tcp_events whose ends are those that the other view observed itself, where the row
 * has a hint at most.
 * @param from subquery in parentheses with all columns of the table
 */
export function withOtherEnds(table: StoredTable, from: string, views: Views): string {
  const on = Object.entries(keys(table, 'r')).map(([name, of]) => `${of} = other.${name}`);
  const replaced = ENDS.flatMap((end) => {
    const taken = `other.endpoint_id != 0 AND r.observation_point = '${AFAR[end]}' AND ${isHint(end, 'r')}`;
    return ['endpoint_id', 'basis'].map((what) => `if(${taken}, other.${what}, r.${end}_${what}) AS ${end}_${what}`);
  });
  return `SELECT r.* REPLACE (${replaced.join(', ')}) FROM ${from} AS r LEFT ANY JOIN (${told(table, views)}) AS other ON ${on.join(' AND ')}`;
}
