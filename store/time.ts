/** Nanosecond times as text: the one spelling that every answer of ours uses. */

/** `2026-11-21T11:32:02.123456789Z`, always nine digits. */
export function rfc3339(nanoseconds: bigint): string {
  const fraction = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((nanoseconds - fraction) / 1_000_000_000n);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction.toString().padStart(9, '0')}Z`;
}

/**
 * Nanoseconds since the epoch of an RFC 3339 time with any number of fraction digits (those past nine are cut).
 * @throws RangeError if the text is no such time
 */
export function nanosecondsOf(text: string): bigint {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const milliseconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
  if (parts === null || Number.isNaN(milliseconds)) {
    throw new RangeError(`${JSON.stringify(text)} is no RFC 3339 time such as 2026-11-21T11:32:02.5Z`);
  }
  return BigInt(milliseconds) * 1_000_000n + BigInt((parts[2] ?? '').padEnd(9, '0').slice(0, 9));
}
