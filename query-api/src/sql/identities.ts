/** What the store knows of who had which address, at large, and what of edges stands on it. */
import { builtUntilSql } from '../../../store/edge_builds.ts';
import { builtHoursSql, EDGE_HOURS } from '../../../store/edge_hours.ts';
import { ENDPOINT_ADDRESSES } from '../../../store/tables.ts';
import { EVERYTHING, scoped, withoutScope } from '../scope.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/**
 * How many claims there are; when the first of them begins, 0 if there are none; up to when edges_1m is built;
 * in nanoseconds since the epoch. And the hours of edges_1h, in seconds.
 */
export function standingSql(): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(EVERYTHING, ENDPOINT_ADDRESSES.name, 't', parameters);
  const sql = [
    'SELECT toUnixTimestamp64Nano(min(t.valid_from)) AS from_ns, count() AS count,',
    `toInt64(toUnixTimestamp(${builtUntilSql()})) * 1000000000 AS built_ns, ${builtHoursSql(withoutScope(EDGE_HOURS.name))} AS hours FROM ${from} WHERE ${condition}`,
  ].join(' ');
  return { sql, parameters };
}
