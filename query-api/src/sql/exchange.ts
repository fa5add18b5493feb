/**
 * Requests, each once: at the server where that end was observed, else at the client.
 *
 * The two ends of one exchange have the same addresses and ports, and the server's begin lies within the client's time.
 * The number of the request on its connection may differ: an end that was joined in the middle began to count later.
 */

import type { Filter } from '../filter/filter.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Question } from '../question.ts';
import { scoped } from '../scope.ts';
import { connectionHash, endNs, inWindow, startNs } from './conditions.ts';
import type { Parameters } from './parameters.ts';

/** How far the clocks of two nodes may differ for their views of one exchange to be recognised, in nanoseconds. */
export const CLOCK_TOLERANCE_NS = 250_000_000n;

/** How far the ends of one exchange may lie apart at its two ends, in nanoseconds: lost last bytes are sent again. */
export const OTHER_END_WITHIN_NS = 10_000_000_000n;

/** Parameters that mean the same at both ends of a connection. */
const SAME_AT_BOTH_ENDS = new Set([
  ...['source_address', 'destination_address', 'address', 'source_port', 'destination_port', 'port', 'protocol'],
  ...['ip_version', 'cluster'],
]);

/** The filters that mean the same for both views of an exchange. */
export function sharedFilters(filters: readonly Filter[]): Filter[] {
  return filters.filter(({ parameter }) => SAME_AT_BOTH_ENDS.has(parameter));
}

/** Whether the question itself says which end it means. Then nothing is joined. */
export function saysWhichEnd(question: Pick<Question, 'filters'>): boolean {
  return question.filters.some(({ parameter }) => parameter === 'observation_point');
}

/**
 * A table expression with the given columns of each request once, filters applied to the view that counts.
 * @param columns names of columns of table requests
 */
export function requestsOnceSql(
  question: Pick<Question, 'scope' | 'filters' | 'since' | 'until'>,
  columns: readonly string[],
  parameters: Parameters,
): string {
  const { scope, filters } = question;
  const { from, condition } = scoped(scope, 'requests', 't', parameters);
  const wanted = `${condition} AND ${inWindow(question, 't', parameters)} AND ${filtersSql(filters, scope, parameters)}`;
  const list = columns.map((name) => `t.${name} AS ${name}`).join(', ');
  if (saysWhichEnd(question)) return `(SELECT ${list} FROM ${from} WHERE ${wanted})`;
  const around = { since: question.since - OTHER_END_WITHIN_NS, until: question.until + OTHER_END_WITHIN_NS };
  const servers =
    `SELECT ${connectionHash('t')} AS _connection, t.request_index AS _index, ${startNs('t')} AS _start,` +
    ` t.boot_id AS _boot FROM ${from} WHERE ${condition} AND ${inWindow(around, 't', parameters)}` +
    ` AND t.observation_point = 'server' AND ${filtersSql(sharedFilters(filters), scope, parameters)}`;
  const tolerance = CLOCK_TOLERANCE_NS.toString();
  const clients =
    `SELECT ${list}, ${connectionHash('t')} AS _connection, t.request_index AS _index, ${startNs('t')} AS _begin,` +
    ` ${endNs('t')} AS _end, t.boot_id AS _boot, t.response_start_ns != 0 AS _answered` +
    ` FROM ${from} WHERE ${wanted} AND t.observation_point = 'client'`;
  return [
    `(SELECT ${list} FROM ${from} WHERE ${wanted} AND t.observation_point != 'client'`,
    `UNION ALL SELECT ${columns.map((name) => `c.${name} AS ${name}`).join(', ')} FROM`,
    `(SELECT *, _begin - ${tolerance} AS _from FROM (${clients})) AS c`,
    // the server's view with the same number; clocks of two machines differ by the tolerance at most
    `ASOF LEFT JOIN (${servers}) AS n ON c._connection = n._connection AND c._index = n._index AND c._from <= n._start`,
    // or one that began within the client's time
    `ASOF LEFT JOIN (${servers}) AS s ON c._connection = s._connection AND c._begin <= s._start`,
    `WHERE (n._start = 0 OR n._start > c._end + ${tolerance}`,
    'OR (n._boot = c._boot AND (n._start < c._begin OR n._start > c._end)))',
    'AND (s._start = 0 OR s._start > c._end OR (s._boot != c._boot AND NOT c._answered)))',
  ].join('\n');
}
