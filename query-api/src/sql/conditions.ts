/** Conditions that many questions share: the time asked for, and what orders rows. */
import { hopSql } from '../../../store/ids.ts';
import { OTHER_END_WITHIN_S } from '../../../store/other_views.ts';
import type { Window } from '../question.ts';
import type { Parameters } from './parameters.ts';

/**
 * Rows of `alias` whose time lies in the window. The bound is the last nanosecond: with `< until` the primary key would take
 * in the five minutes, and the partition the hour, that begin there.
 */
export function inWindow({ since, until }: Window, alias: string, parameters: Parameters): string {
  return `${alias}.time >= ${parameters.instant(since)} AND ${alias}.time <= ${parameters.instant(until - 1n)}`;
}

/** A number that tells rows of the same time apart, the same for every query. */
export function rowKey(key: readonly string[], alias: string): string {
  return `cityHash64(${key.map((name) => `${alias}.${name}`).join(', ')})`;
}

/** A number that both ends of a connection have for one exchange. */
export const hop = hopSql;

/** How far the ends of one exchange may lie apart at its two ends, in nanoseconds. */
export const OTHER_END_WITHIN_NS = BigInt(OTHER_END_WITHIN_S) * 1_000_000_000n;

/** Whole nanoseconds since the epoch at which the described thing ended. */
export const endNs = (alias: string): string => `toUnixTimestamp64Nano(${alias}.time)`;

/** Whole nanoseconds since the epoch at which the described thing began. */
export const startNs = (alias: string): string => `(${endNs(alias)} - toInt64(${alias}.duration_ns))`;
