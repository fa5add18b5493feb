/**
 * Marks the requests by which Flowspan's own processes send spans. Flowspan sees these requests like any other: were they
 * sent as spans too, every export would cause the next. The mark is in the traceparent, so that whoever observes either
 * end, on any node, can tell; the rows are kept as ever.
 */
import { randomBytes } from 'node:crypto';

/** First half of the trace id of every such request: `flowspan` in ASCII, as hex. */
export const EXPORT_TRACE_PREFIX = '666c6f777370616e';

/** A traceparent for one export: marked, and not sampled, so that the receiver's own tracing leaves it alone too. */
export function exportTraceparent(): string {
  const bytes = randomBytes(16);
  // an id of zeros is none
  bytes[15] = (bytes[15] as number) | 1;
  return `00-${EXPORT_TRACE_PREFIX}${bytes.toString('hex', 0, 8)}-${bytes.toString('hex', 8)}-00`;
}
