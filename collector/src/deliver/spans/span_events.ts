/** What happened within a request, as the events of its span: its own moments, and what TCP did to its bytes. */
import type { Attributes } from '@opentelemetry/api';
import { nanosecondsOf } from '../../../../store/time.ts';
import type { ReadableSpan } from './otlp.ts';
import type { EventRow, RequestRow } from './request_row.ts';

type SpanEvent = ReadableSpan['events'][number];

/** Seconds and nanoseconds since the epoch. */
export type HrTime = [number, number];

/** Events of TCP that one span tells of; more are counted as dropped. */
const MOST_EVENTS = 32;
const SECOND = 1_000_000_000n;
const WORD = 2 ** 32;

export function hrTime(nanoseconds: bigint): HrTime {
  return [Number(nanoseconds / SECOND), Number(nanoseconds % SECOND)];
}

/** First and last nanosecond of a request. */
export function timesOf(row: RequestRow): { readonly startNs: bigint; readonly endNs: bigint } {
  const endNs = nanosecondsOf(row.time);
  return { startNs: endNs - BigInt(row.duration_ns), endNs };
}

/** Its own moments, by the column that holds them; what was not seen has none. */
export function momentsOf(row: RequestRow, startNs: bigint): SpanEvent[] {
  const moments = [
    ['request_sent', row.request_sent_ns],
    ['application_read', row.application_read_ns],
    ['response_start', row.response_start_ns],
  ] as const;
  return moments.flatMap(([name, afterNs]) =>
    afterNs === null || afterNs === '0' ? [] : [{ name, time: hrTime(startNs + BigInt(afterNs)), attributes: {} }],
  );
}

/**
 * Retransmits and resets of one exchange. A retransmit belongs to it if it concerns its bytes, whichever end sent them
 * again: the sequence numbers tell, where addresses alone may mean a connection in another namespace. The last ones may
 * come after the span's end, which at the server is when the last byte was sent for the first time.
 * @param candidates events that may be of its connection, the latest first
 * @returns in order of time, and how many more there were
 */
export function tcpEventsOf(
  row: RequestRow,
  startNs: bigint,
  candidates: readonly EventRow[],
): { readonly events: SpanEvent[]; readonly dropped: number } {
  const own = candidates.filter((event) =>
    event.event_kind === 'retransmit' ? concernsBytes(row, event) : concernsEnd(row, event),
  );
  const timed = own.map((event) => ({ event, timeNs: nanosecondsOf(event.time) }));
  const within = timed.filter(({ timeNs }) => timeNs >= startNs).reverse();
  return {
    events: within.slice(0, MOST_EVENTS).map(({ event, timeNs }) => spanEvent(event, hrTime(timeNs))),
    dropped: Math.max(0, within.length - MOST_EVENTS),
  };
}

/** Whether it sent bytes of the request or of the response again. Sequence numbers wrap around. */
function concernsBytes(row: RequestRow, event: EventRow): boolean {
  const byClient = event.sent_by === 'client';
  const begin = byClient ? row.request_sequence : row.response_sequence;
  const bytes = Number(byClient ? row.request_bytes : row.response_bytes);
  const after = (event.sequence_begin - begin + WORD) % WORD;
  const length = (event.sequence_end - event.sequence_begin + WORD) % WORD;
  return after < bytes || (WORD - after < length && bytes > 0);
}

/** Whether it reset the connection while, or because, this exchange was not over. */
function concernsEnd(row: RequestRow, event: EventRow): boolean {
  if (event.socket_cookie !== row.socket_cookie || event.generation !== row.generation) return false;
  const isOver = row.request_end === 'complete' || row.request_end === 'upgraded';
  return !isOver || nanosecondsOf(event.time) <= nanosecondsOf(row.time);
}

function spanEvent(event: EventRow, time: HrTime): SpanEvent {
  const attributes: Attributes = { 'flowspan.sent_by': event.sent_by, 'flowspan.segments': event.segments };
  if (event.retransmit_cause !== 'none') attributes['flowspan.retransmit_cause'] = event.retransmit_cause;
  if (event.reset_reason !== null) attributes['flowspan.reset_reason'] = event.reset_reason;
  if (event.error_number !== null) attributes['flowspan.error_number'] = event.error_number;
  return { name: event.event_kind, time, attributes };
}
