/** What the store knows of who had which address, at large. */
import { ENDPOINT_ADDRESSES } from '../../../store/tables.ts';
import { EVERYTHING, scoped } from '../scope.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** When the first had an address and when the last had one, in nanoseconds since the epoch; both 0 if none ever had. */
export function claimedTimeSql(): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(EVERYTHING, ENDPOINT_ADDRESSES.name, 't', parameters);
  const sql = [
    'SELECT toUnixTimestamp64Nano(min(t.valid_from)) AS from_ns, toUnixTimestamp64Nano(max(t.valid_to)) AS to_ns',
    `FROM ${from} WHERE ${condition}`,
  ].join(' ');
  return { sql, parameters };
}
