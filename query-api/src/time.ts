/** Points in time and lengths of time as questions spell them. */
import { nanosecondsOf } from '../../store/time.ts';

const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};

/** What parseDuration takes, in words. */
export const DURATION_ALLOWED = 'a number with its unit (ns, us, ms, s, m, h, d), such as 50ms, 1.5s or 15m';

/** What parseInstant takes, in words. */
export const INSTANT_ALLOWED =
  'an RFC 3339 time (2026-11-21T11:32:02Z), Unix time (in s with or without a fraction, or whole ms, us or ns), ' +
  'or how long ago (15m)';

/** Nanoseconds of `50ms`, `1.5s` or `15m`; undefined if the text is no length of time. */
export function parseDuration(text: string): bigint | undefined {
  const match = /^(\d{1,12})(?:\.(\d{1,9}))?(ns|us|ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '0', fraction = '', unit = 's'] = match;
  const size = UNITS[unit] ?? 1n;
  return BigInt(whole) * size + (BigInt(fraction.padEnd(9, '0')) * size) / 1_000_000_000n;
}

/** Whole Unix time by its number of digits: s, ms, us or ns. */
function unixTime(digits: string): bigint | undefined {
  if (digits.length <= 11) return BigInt(digits) * 1_000_000_000n;
  if (digits.length === 13) return BigInt(digits) * 1_000_000n;
  if (digits.length === 16) return BigInt(digits) * 1_000n;
  return digits.length === 19 ? BigInt(digits) : undefined;
}

/**
 * Nanoseconds since the epoch of a time as questions spell it; undefined if the text is none.
 * @param now what `15m` counts back from, in nanoseconds since the epoch
 */
export function parseInstant(text: string, now: bigint): bigint | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return now > ago ? now - ago : 0n;
  if (/^\d+$/.test(text)) return unixTime(text);
  const fractional = /^(\d{1,11})\.(\d{1,9})$/.exec(text);
  if (fractional !== null) return BigInt(`${fractional[1]}${(fractional[2] ?? '').padEnd(9, '0')}`);
  try {
    return nanosecondsOf(text.toUpperCase().replace(' ', 'T'));
  } catch {
    return undefined;
  }
}

/** Now, in nanoseconds since the epoch (resolution: one millisecond). */
export function wallClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** The earliest of some times; there must be one. */
export function earliest(times: readonly bigint[]): bigint {
  // biome-ignore lint/complexity/useMathMinMax: Math.min takes no bigint
  return times.reduce((a, b) => (a < b ? a : b));
}

/** The latest of some times; there must be one. */
export function latest(times: readonly bigint[]): bigint {
  // biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigint
  return times.reduce((a, b) => (a > b ? a : b));
}
