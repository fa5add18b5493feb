/** Intervals of endpoints that rows of a time can point at. */
import { ENDPOINTS } from '../../../store/tables.ts';
import { type Asked, scoped } from '../scope.ts';
import type { Parameters } from './parameters.ts';

/** How long after its end rows may still tell of an endpoint; nanoseconds. Clocks differ, and what is sent is late. */
const AFTER_END_NS = 3_600_000_000_000n;

/** FROM and WHERE for rows `e` of endpoints: all but those that were over before the time asked for. */
export function endpointsSince({ scope, since }: Asked, parameters: Parameters): string {
  const { from, condition } = scoped(scope, ENDPOINTS.name, 'e', parameters);
  const begin = since > AFTER_END_NS ? since - AFTER_END_NS : 0n;
  return `${from} WHERE ${condition} AND e.valid_to > ${parameters.instant(begin)}`;
}

/**
 * Subquery: endpoint_id, valid_from, and the columns asked for, of all intervals but those that were over before the
 * time asked for. The latest row of an interval counts, which is cheaper to say so than by FINAL, that would read what
 * was over long ago first. (An interval of which only the last row is left out has ended: nothing points at it.)
 * @param columns aggregates over rows `e` of endpoints, by name
 */
export function intervalsSince(
  columns: Readonly<Record<string, string>>,
  asked: Asked,
  parameters: Parameters,
): string {
  const told = Object.entries(columns).map(([name, of]) => `, ${of} AS ${name}`);
  return [
    `(SELECT e.endpoint_id AS endpoint_id, e.valid_from AS valid_from${told.join('')}`,
    `FROM ${endpointsSince(asked, parameters)} GROUP BY e.endpoint_id, e.valid_from)`,
  ].join(' ');
}

/**
 * Subquery as an ASOF JOIN by time takes it: endpoint_id, since, and the columns asked for. The first interval of each
 * endpoint begins with time, as in the named views.
 * @param columns SQL over a row `e` of endpoints, by name
 */
export function intervalsSql(columns: Readonly<Record<string, string>>, asked: Asked, parameters: Parameters): string {
  const latest = Object.entries(columns).map(([name, of]) => [name, `argMax(${of}, e.updated)`]);
  const first = 'row_number() OVER (PARTITION BY endpoint_id ORDER BY valid_from) = 1';
  return [
    `SELECT endpoint_id, if(${first}, toDateTime64(0, 9, 'UTC'), valid_from) AS since,`,
    `${Object.keys(columns).join(', ')} FROM ${intervalsSince(Object.fromEntries(latest), asked, parameters)}`,
  ].join(' ');
}
