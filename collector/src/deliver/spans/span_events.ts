/** What happened within a request, as the events of its span: its own moments, and what TCP did to its bytes. */
import type { Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { nanosecondsOf } from '../../../../store/time.ts';
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
 * Retransmits and resets within a request.
 * @param candidates events that may be of its connection, the latest first
 * @returns in order of time, and how many more there were
 */
export function tcpEventsOf(
  row: RequestRow,
  { startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint },
  candidates: readonly EventRow[],
): { readonly events: SpanEvent[]; readonly dropped: number } {
  const events: SpanEvent[] = [];
  let dropped = 0;
  for (const event of candidates) {
    const timeNs = nanosecondsOf(event.time);
    if (timeNs < startNs || timeNs > endNs) continue;
    if (!isOfSocket(row, event) && !isOfOtherEnd(row, event)) continue;
    if (events.length < MOST_EVENTS) events.push(spanEvent(event, hrTime(timeNs)));
    else dropped += 1;
  }
  return { events: events.reverse(), dropped };
}

function isOfSocket(row: RequestRow, event: EventRow): boolean {
  return event.socket_cookie === row.socket_cookie && event.generation === row.generation;
}

/**
 * Whether the other end sent bytes of this very exchange again. Addresses alone may mean another connection in another
 * namespace; sequence numbers do not.
 */
function isOfOtherEnd(row: RequestRow, event: EventRow): boolean {
  if (event.event_kind !== 'retransmit' || event.observation_point === row.observation_point) return false;
  const byClient = event.sent_by === 'client';
  const begin = byClient ? row.request_sequence : row.response_sequence;
  const bytes = Number(byClient ? row.request_bytes : row.response_bytes);
  // Sequence numbers wrap around: what counts is how far behind the first byte.
  const after = (event.sequence_begin - begin + WORD) % WORD;
  return after < bytes;
}

function spanEvent(event: EventRow, time: HrTime): SpanEvent {
  const attributes: Attributes = { 'flowspan.sent_by': event.sent_by, 'flowspan.segments': event.segments };
  if (event.retransmit_cause !== 'none') attributes['flowspan.retransmit_cause'] = event.retransmit_cause;
  if (event.reset_reason !== null) attributes['flowspan.reset_reason'] = event.reset_reason;
  if (event.error_number !== null) attributes['flowspan.error_number'] = event.error_number;
  return { name: event.event_kind, time, attributes };
}
