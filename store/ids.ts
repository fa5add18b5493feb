/**
 * Ids of requests, spans and traces: the same in SQL (views, query API) and in TypeScript (OTLP), made of what a request
 * row holds anyway, so that none is stored.
 *
 * - request key: `<boot_id>/<socket_cookie>/<generation>/<request_index>`, one per request and observed end
 * - span id: the last eight bytes of its MD5
 * - trace id: the traceparent's; without one, Unix seconds of `time` (four bytes, big-endian) and the first twelve bytes
 *   of the MD5. Its lower seven bytes are as good as random, as W3C Trace Context level 2 wants them; the seconds in
 *   front let ClickHouse find it by a minmax index.
 * - request id: `time` in ns, destination and source endpoint id, span id, eight bytes each in hex: the row's place in
 *   the primary key.
 */
import { createHash } from 'node:crypto';
import { FlowspanError } from './errors.ts';
import { nanosecondsOf } from './time.ts';

/** What ids are made of, as decodeRows and JSON answers have it. */
export interface RequestIdentity {
  /** RFC 3339, or ns since the epoch. */
  readonly time: string | bigint;
  readonly boot_id: string;
  readonly socket_cookie: string | bigint;
  readonly generation: number;
  readonly request_index: number;
  readonly destination_endpoint_id: string | bigint | null;
  readonly source_endpoint_id: string | bigint | null;
  /** 32 hex digits; null or zero without traceparent. */
  readonly trace_id?: string | null;
}

/** Where a request id points at. */
export interface RequestPlace {
  /** ns since the epoch. */
  readonly time: bigint;
  readonly destinationEndpointId: bigint;
  readonly sourceEndpointId: bigint;
  /** 16 hex digits. */
  readonly spanId: string;
}

const KEY_SQL = `concat(toString(boot_id), '/', toString(socket_cookie), '/', toString(generation), '/', toString(request_index))`;
const DIGEST_SQL = `lower(hex(MD5(${KEY_SQL})))`;

/** Span id of a row of `requests`, 16 hex digits. */
export const SPAN_ID_SQL = `substring(${DIGEST_SQL}, 17)`;

/** Trace id that a row of `requests` has if it has no traceparent, 32 hex digits. `requests` has a minmax index on it. */
export const DERIVED_TRACE_ID_SQL = `concat(leftPad(lower(hex(toUInt32(toUnixTimestamp(time)))), 8, '0'), substring(${DIGEST_SQL}, 1, 24))`;

/** Trace id of the traceparent of a row of `requests`; zeros without one. `requests` has a bloom filter on it. */
export const SENT_TRACE_ID_SQL = 'lower(hex(trace_id))';

/** Trace id of a row of `requests`, 32 hex digits. */
export const TRACE_ID_SQL = `if(has_trace, ${SENT_TRACE_ID_SQL}, ${DERIVED_TRACE_ID_SQL})`;

/** Request id of a row of `requests`, 64 hex digits. */
export const REQUEST_ID_SQL = `concat(${['toUnixTimestamp64Nano(time)', 'destination_endpoint_id', 'source_endpoint_id']
  .map((number) => `leftPad(lower(hex(toUInt64(${number}))), 16, '0')`)
  .join(', ')}, ${SPAN_ID_SQL})`;

/**
 * Condition that finds the one row of `requests` with this id, by its primary key.
 * @throws FlowspanError FLOW_STORE_REQUEST_ID if it is none
 */
export function requestIdCondition(id: string): string {
  const { time, destinationEndpointId, sourceEndpointId, spanId } = parseRequestId(id);
  return [
    `time = fromUnixTimestamp64Nano(${time}, 'UTC')`,
    `destination_endpoint_id = ${destinationEndpointId}`,
    `source_endpoint_id = ${sourceEndpointId}`,
    `${SPAN_ID_SQL} = '${spanId}'`,
  ].join(' AND ');
}

/** @throws FlowspanError FLOW_STORE_REQUEST_ID if the text is no request id */
export function parseRequestId(id: string): RequestPlace {
  if (!/^[0-9a-f]{64}$/.test(id)) {
    throw new FlowspanError('FLOW_STORE_REQUEST_ID', `${JSON.stringify(id)} is no request id: take one from an answer`);
  }
  const number = (at: number) => BigInt(`0x${id.slice(at, at + 16)}`);
  return {
    time: BigInt.asIntN(64, number(0)),
    destinationEndpointId: number(16),
    sourceEndpointId: number(32),
    spanId: id.slice(48),
  };
}

/** Span id of a request row; equals SPAN_ID_SQL. */
export function spanId(row: RequestIdentity): string {
  return digest(row).slice(16);
}

/** Trace id of a request row; equals TRACE_ID_SQL. */
export function traceId(row: RequestIdentity): string {
  if (row.trace_id != null && !/^0*$/.test(row.trace_id)) return row.trace_id;
  const seconds = nanoseconds(row.time) / 1_000_000_000n;
  return hex(BigInt.asUintN(32, seconds), 8) + digest(row).slice(0, 24);
}

/** Request id of a request row; equals REQUEST_ID_SQL. */
export function requestId(row: RequestIdentity): string {
  const endpoints = [row.destination_endpoint_id, row.source_endpoint_id].map((id) => hex(BigInt(id ?? 0), 16));
  return `${hex(BigInt.asUintN(64, nanoseconds(row.time)), 16)}${endpoints.join('')}${spanId(row)}`;
}

function nanoseconds(time: string | bigint): bigint {
  return typeof time === 'bigint' ? time : nanosecondsOf(time);
}

function digest(row: RequestIdentity): string {
  const key = `${row.boot_id}/${row.socket_cookie}/${row.generation}/${row.request_index}`;
  return createHash('md5').update(key).digest('hex');
}

function hex(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
