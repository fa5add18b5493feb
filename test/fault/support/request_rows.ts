/** Rows of `requests` that are told apart, and feed every view. */
import { SCOPE } from './sending.ts';

const HOUR_NS = 3_600_000_000_000n;

/** Begin of the minute that lies so many minutes back, nanoseconds since the epoch. */
export function minuteAgoNs(minutes: number): bigint {
  return BigInt(Math.floor(Date.now() / 60_000) - minutes) * 60_000_000_000n;
}

/**
 * One row; those with odd numbers are an hour older, so that a segment becomes two parts.
 * @param firstNs time of row 0
 */
export function requestRow(firstNs: bigint, row: number): Record<string, unknown> {
  return {
    ...SCOPE,
    time: firstNs + BigInt(row) * 1000n - (row % 2 === 0 ? 0n : HOUR_NS),
    socket_cookie: BigInt(1 + row),
    pid: 4711,
    destination_endpoint_id: 7n,
    outcome: 'ok',
    operation: 'GET',
    http_path: `/${'x'.repeat(40)}`,
    has_trace: true,
    trace_id: (firstNs + BigInt(row % 10)).toString(16).padStart(32, '0'),
    sample_weight: 1,
  };
}
