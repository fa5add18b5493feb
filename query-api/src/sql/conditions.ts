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

/**
 * Identifies a connection for as long as its ports are its own; the same at both ends. Loopback addresses mean another
 * machine in every network namespace.
 */
export function connectionHash(alias: string): string {
  const tuple = ['source_address', 'source_port', 'destination_address', 'destination_port'];
  const source = `${alias}.source_address`;
  const loopback = `${source} = toIPv6('::1') OR (${source} >= toIPv6('127.0.0.0') AND ${source} <= toIPv6('127.255.255.255'))`;
  return `sipHash64(${tuple.map((name) => `${alias}.${name}`).join(', ')}, if(${loopback}, ${alias}.netns, 0))`;
}

/** Whole nanoseconds since the epoch at which the described thing ended. */
export const endNs = (alias: string): string => `toUnixTimestamp64Nano(${alias}.time)`;

/** Whole nanoseconds since the epoch at which the described thing began. */
export const startNs = (alias: string): string => `(${endNs(alias)} - toInt64(${alias}.duration_ns))`;
