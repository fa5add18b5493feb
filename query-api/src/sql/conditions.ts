/** Conditions that many questions share: the time asked for, and what orders rows. */
import type { Window } from '../question.ts';
import type { Parameters } from './parameters.ts';

/** Rows of `alias` whose time lies in the window. */
export function inWindow({ since, until }: Window, alias: string, parameters: Parameters): string {
  return `${alias}.time >= ${parameters.instant(since)} AND ${alias}.time < ${parameters.instant(until)}`;
}

/** A number that tells rows of the same time apart, the same for every query. */
export function rowKey(key: readonly string[], alias: string): string {
  return `cityHash64(${key.map((name) => `${alias}.${name}`).join(', ')})`;
}

/** A number that both ends of a connection have for one exchange: the hop key of store/ids.ts. */
export function hop(alias: string): string {
  return `bitOr(bitShiftLeft(toUInt64(${alias}.request_sequence), 32), toUInt64(${alias}.response_sequence))`;
}

/**
 * How far the ends of one exchange may lie apart at its two ends, in nanoseconds: clocks differ, lost last bytes are sent
 * again, and a client gives up long before the server has answered.
 */
export const OTHER_END_WITHIN_NS = 30_000_000_000n;

/** Whole nanoseconds since the epoch at which the described thing ended. */
export const endNs = (alias: string): string => `toUnixTimestamp64Nano(${alias}.time)`;

/** Whole nanoseconds since the epoch at which the described thing began. */
export const startNs = (alias: string): string => `(${endNs(alias)} - toInt64(${alias}.duration_ns))`;
