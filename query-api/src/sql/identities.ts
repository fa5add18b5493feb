/** What the store knows of who had which address, at large. */
import { ENDPOINT_ADDRESSES } from '../../../store/tables.ts';
import { EVERYTHING, scoped } from '../scope.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** How many claims there are; when the first and the last of them hold, in nanoseconds since the epoch, 0 if none. */
export function claimedTimeSql(): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(EVERYTHING, ENDPOINT_ADDRESSES.name, 't', parameters);
  const sql = [
    'SELECT toUnixTimestamp64Nano(min(t.valid_from)) AS from_ns, toUnixTimestamp64Nano(max(t.valid_to)) AS to_ns, count() AS count',
    `FROM ${from} WHERE ${condition}`,
  ].join(' ');
  return { sql, parameters };
}
