/** SQL behind the completeness object: reports, losses, retention, opaque connections. */
import { COLLECTOR_REPORTS, FLOWS, LOSSES, type StoredTable } from '../../../store/tables.ts';
import type { Filter } from '../filter/filter.ts';
import type { Question } from '../question.ts';
import { scoped, withoutScope } from '../scope.ts';
import { endNs, inWindow, startNs } from './conditions.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { rowsSql } from './rows.ts';

type Asked = Pick<Question, 'scope' | 'filters' | 'since' | 'until'>;

const MAX_GAPS = 1_000;

/**
 * Rows of kind `gap`: a node's reports are further apart than `gapNs`, or its collector started anew between two of
 * them; and of kind `last`: each node's last report. from_ns and to_ns are nanoseconds since the epoch.
 */
export function reportsSql({ scope, since, until }: Asked, gapNs: bigint): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, COLLECTOR_REPORTS.name, 't', parameters);
  const gap = parameters.bind(gapNs, 'Int64');
  // from a little earlier on, so that the report before `since` tells that the time behind it is covered
  const begin = since - 2n * gapNs;
  const wanted = `${condition} AND ${inWindow({ since: begin, until: until + gapNs }, 't', parameters)}`;
  const reports = `SELECT t.node AS node, ${endNs('t')} AS at, toUnixTimestamp64Nano(t.started) AS begun FROM ${from} WHERE ${wanted}`;
  const before =
    `lagInFrame(at, 1, ${parameters.bind(begin, 'Int64')}) OVER` +
    ' (PARTITION BY node ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)';
  const sql = [
    `SELECT 'gap' AS kind, node, before AS from_ns, if(begun > before, begun, at) AS to_ns`,
    `FROM (SELECT node, at, begun, ${before} AS before FROM (${reports}))`,
    `WHERE begun > before OR at - before > ${gap} ORDER BY from_ns LIMIT ${MAX_GAPS}`,
    `UNION ALL SELECT 'last', node, max(at), max(at) FROM (${reports}) GROUP BY node`,
  ].join('\n');
  return { sql, parameters };
}

/** What was lost within the time, by kind, node and reason; count 0 if it is not known. */
export function lostSql({ scope, since, until }: Asked): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, LOSSES.name, 't', parameters);
  const sql = [
    'SELECT t.kind AS kind, t.node AS node, t.reason AS reason, if(min(t.count) = 0, 0, sum(t.count)) AS count,',
    `min(${startNs('t')}) AS from_ns, max(${endNs('t')}) AS to_ns FROM ${from}`,
    `WHERE ${condition} AND t.time >= ${parameters.instant(since)}`,
    `AND ${startNs('t')} < ${parameters.bind(until, 'Int64')}`,
    'GROUP BY kind, node, reason ORDER BY kind, node, reason LIMIT 1000',
  ].join('\n');
  return { sql, parameters };
}

/**
 * The table's definition as the store has it (its TTL says how long rows are kept), and up to when rows were deleted
 * before that, because there was no room for them: nanoseconds since the epoch, NULL if never.
 */
export function retentionSql(table: StoredTable): BoundQuery {
  const parameters = new Parameters();
  const name = parameters.bind(table.name, 'String');
  const deleted =
    `SELECT maxOrNull(toUnixTimestamp64Nano(expired_before)) FROM ${withoutScope('expirations')}` +
    ` WHERE table_name = ${name}`;
  const sql =
    `SELECT engine_full, toString((${deleted})) AS deleted_before FROM ${withoutScope('system.tables')}` +
    ` WHERE database = currentDatabase() AND name = ${name}`;
  return { sql, parameters };
}

/** Columns that say whose connection it is, in flows as in requests. */
const WHOSE = new Set([
  ...['cluster', 'node', 'netns', 'protocol', 'ip_version', 'source_endpoint_id', 'destination_endpoint_id'],
  ...['source_address', 'destination_address', 'source_port', 'destination_port'],
]);

/** The filters that say whose connection it is. */
function connectionFilters(filters: readonly Filter[]): Filter[] {
  return filters.filter(({ any, none }) => [...any, ...none].every(({ column }) => WHOSE.has(column.name)));
}

/** How many connections of those asked for carried what cannot be seen into. */
export function opaqueConnectionsSql({ scope, filters, since, until }: Asked): BoundQuery {
  const parameters = new Parameters();
  const asked = { scope, filters: connectionFilters(filters), since, until };
  const conditions = [`t.protocol = 6 AND t.application_protocol IN ('tls', 'http2', 'other')`];
  const { from, where } = rowsSql(asked, { table: FLOWS, columns: [], conditions }, parameters);
  const connections = (carried: string) =>
    'uniqIf((t.source_address, t.source_port, t.destination_address, t.destination_port),' +
    ` t.application_protocol = '${carried}') AS ${carried}`;
  const sql = `SELECT ${['tls', 'http2', 'other'].map(connections).join(', ')} FROM ${from} WHERE ${where}`;
  return { sql, parameters };
}
