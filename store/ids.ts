/**
 * Ids of requests, spans and traces: the same in SQL (views, query API) and in TypeScript (OTLP), made of what a request
 * row holds anyway, so that none is stored, and the same at both ends of a connection without a word between them.
 *
 * - hop key: `<request_sequence>/<response_sequence>`, TCP sequence numbers as on the wire: equal at both ends, through
 *   address translation as well, and as good as random between connections
 * - span id: the last eight bytes of the MD5 of `<hop key>/<observation_point>`
 * - trace id: the traceparent's; without one, Unix seconds of the begin of the five minutes of `time` (four bytes,
 *   big-endian) and the first twelve bytes of the hop key's MD5. Its lower seven bytes are as good as random, as W3C
 *   Trace Context level 2 wants them; the seconds in front let ClickHouse find it by a minmax index. Where five minutes
 *   end between the ends' two views, each has a trace of its own.
 * - parent: the traceparent's span; without one, a server's span has the client's if that end is observed as well
 * - request id: `time` in ns, destination and source endpoint id, span id, eight bytes each in hex: the row's place in
 *   the primary key. The endpoint ids are those that the row holds, whoever the ends are resolved to.
 */
import { createHash } from 'node:crypto';
import { FlowspanError } from './errors.ts';
import { nanosecondsOf } from './time.ts';

/** What ids are made of, as decodeRows and JSON answers have it. */
export interface RequestIdentity {
  /** RFC 3339, or ns since the epoch. */
  readonly time: string | bigint;
  readonly request_sequence: number;
  readonly response_sequence: number;
  /** Label: client or server. */
  readonly observation_point: string;
  readonly peer_observed: boolean;
  readonly destination_endpoint_id: string | bigint | null;
  readonly source_endpoint_id: string | bigint | null;
  /** 32 hex digits; null or zero without traceparent. */
  readonly trace_id?: string | null;
  /** 16 hex digits; null or zero without traceparent. */
  readonly parent_span_id?: string | null;
}

/** What a hop key is made of. */
export type HopIdentity = Pick<RequestIdentity, 'request_sequence' | 'response_sequence'>;

/** Where a request id points at. */
export interface RequestPlace {
  /** ns since the epoch. */
  readonly time: bigint;
  readonly destinationEndpointId: bigint;
  readonly sourceEndpointId: bigint;
  /** 16 hex digits. */
  readonly spanId: string;
}

/** The hop key of a row `alias` as one number. */
export const hopSql = (alias: string): string =>
  `bitOr(bitShiftLeft(toUInt64(${alias}.request_sequence), 32), toUInt64(${alias}.response_sequence))`;

/** What both ends of a connection know one request by. */
export const HOP_KEY_SQL = "concat(toString(request_sequence), '/', toString(response_sequence))";
const spanIdSql = (point: string) => `substring(lower(hex(MD5(concat(${HOP_KEY_SQL}, '/', ${point})))), 17)`;

/** Span id of a row of `requests`, 16 hex digits. */
export const SPAN_ID_SQL = spanIdSql('toString(observation_point)');

/** Trace id that a row of `requests` has if it has no traceparent, 32 hex digits. `requests` has a minmax index on it. */
export const DERIVED_TRACE_ID_SQL = `concat(leftPad(lower(hex(toUInt32(toUnixTimestamp(toStartOfFiveMinutes(time))))), 8, '0'), substring(lower(hex(MD5(${HOP_KEY_SQL}))), 1, 24))`;

/** Trace id of the traceparent of a row of `requests`; zeros without one. `requests` has a bloom filter on it. */
export const SENT_TRACE_ID_SQL = 'lower(hex(trace_id))';

/** Trace id of a row of `requests`, 32 hex digits. */
export const TRACE_ID_SQL = `if(has_trace, ${SENT_TRACE_ID_SQL}, ${DERIVED_TRACE_ID_SQL})`;

/** Span id of the parent of a row of `requests`, 16 hex digits; empty if it has none. */
export const PARENT_SPAN_ID_SQL = `multiIf(has_trace, lower(hex(parent_span_id)), observation_point = 'server' AND peer_observed, ${spanIdSql("'client'")}, '')`;

const requestIdSql = (destination: string, source: string) =>
  `concat(${['toUnixTimestamp64Nano(time)', destination, source]
    .map((number) => `leftPad(lower(hex(toUInt64(${number}))), 16, '0')`)
    .join(', ')}, ${SPAN_ID_SQL})`;

/** Request id of a row of `requests`, 64 hex digits. */
export const REQUEST_ID_SQL = requestIdSql('destination_endpoint_id', 'source_endpoint_id');

/** Request id of a resolved row of `requests` (resolved.ts): it stays what the row itself says. */
export const RESOLVED_REQUEST_ID_SQL = requestIdSql('stamped_destination_endpoint_id', 'stamped_source_endpoint_id');

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

/** What both ends of a connection know one request by; equals HOP_KEY_SQL. */
export function hopKey(row: HopIdentity): string {
  return `${row.request_sequence}/${row.response_sequence}`;
}

/** Span id of a request row; equals SPAN_ID_SQL. */
export function spanId(row: HopIdentity & Pick<RequestIdentity, 'observation_point'>): string {
  return spanIdAt(row, row.observation_point);
}

/** Trace id of a request row; equals TRACE_ID_SQL. */
export function traceId(row: HopIdentity & Pick<RequestIdentity, 'time' | 'trace_id'>): string {
  if (isSent(row.trace_id)) return row.trace_id;
  const seconds = (nanoseconds(row.time) / 300_000_000_000n) * 300n;
  return hex(BigInt.asUintN(32, seconds), 8) + md5(hopKey(row)).slice(0, 24);
}

/** Span id of the parent of a request row, empty if it has none; equals PARENT_SPAN_ID_SQL. */
export function parentSpanId(row: RequestIdentity): string {
  if (isSent(row.trace_id)) return row.parent_span_id ?? '';
  return row.observation_point === 'server' && row.peer_observed ? spanIdAt(row, 'client') : '';
}

/** Request id of a request row; equals REQUEST_ID_SQL. */
export function requestId(row: RequestIdentity): string {
  const endpoints = [row.destination_endpoint_id, row.source_endpoint_id].map((id) => hex(BigInt(id ?? 0), 16));
  return `${hex(BigInt.asUintN(64, nanoseconds(row.time)), 16)}${endpoints.join('')}${spanId(row)}`;
}

function nanoseconds(time: string | bigint): bigint {
  return typeof time === 'bigint' ? time : nanosecondsOf(time);
}

function spanIdAt(row: HopIdentity, point: string): string {
  return md5(`${hopKey(row)}/${point}`).slice(16);
}

function isSent(id: string | null | undefined): id is string {
  return id != null && !/^0*$/.test(id);
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function hex(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
