/** A whole connection through the parser. */
import type { Streams } from './generate.ts';
import type { Parser } from './parser.ts';

/**
 * Sends both streams in order, requests first, and closes.
 * @param first sequence number of each stream's first byte
 * @param cut a stream into the payloads of its segments
 */
export function runStreams(
  parser: Parser,
  first: number,
  streams: Pick<Streams, 'requests' | 'responses'>,
  cut: (stream: Buffer) => Buffer[],
) {
  parser.begin(first, first);
  let rejected = 'empty';
  for (const direction of ['request', 'response'] as const) {
    let sequence = first;
    for (const payload of cut(streams[`${direction}s`])) {
      const told = { direction, sequence, accepted: sequence, ingress: direction === 'request' };
      const protocol = parser.segment(told, payload);
      if (rejected === 'empty') rejected = protocol;
      sequence += payload.length;
    }
  }
  parser.close();
  return { rows: parser.rows(), rejected: rejected === 'empty' ? undefined : rejected };
}
