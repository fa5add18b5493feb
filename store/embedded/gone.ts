/** When to stop working for a request: its client has gone, or its answer is overdue. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EngineError } from './engine_error.ts';
import type { ReaderLimits } from './reader_settings.ts';

/** How much longer than max_execution_time a reader's whole request may take, waiting included, in milliseconds. */
const GRACE_MS = 400;

/** Longest that a body may go on that nobody reads any more, in milliseconds. */
const LEFT_BODY_MS = 1000;

/** Longest that a reader's request may take, from its head to the end of its answer, in milliseconds; none if undefined. */
export function readerPatienceMs({ max_execution_time }: ReaderLimits): number | undefined {
  return max_execution_time ? max_execution_time * 1000 + GRACE_MS : undefined;
}

/**
 * Fires when the client goes away or when the answer has taken too long; its reason is an EngineError.
 * @param patienceMs undefined: any time
 */
export function goneSignal(response: ServerResponse, patienceMs: number | undefined): AbortSignal {
  const gone = new AbortController();
  const timer =
    patienceMs === undefined
      ? undefined
      : setTimeout(() => {
          gone.abort(new EngineError(159, `Timeout exceeded: no answer within ${patienceMs} ms: ask for less`));
        }, patienceMs);
  response.once('close', () => {
    clearTimeout(timer);
    if (!response.writableFinished) gone.abort(new EngineError(210, 'The client went away'));
  });
  response.once('finish', () => clearTimeout(timer));
  return gone.signal;
}

/** What is left of the body would stand before the next request of this connection; it may never end. */
export function leaveBody(request: IncomingMessage): void {
  // A decoder that nobody reads would hold it back.
  request.unpipe();
  request.resume();
  const drop = setTimeout(() => request.socket.destroy(), LEFT_BODY_MS);
  const keep = () => clearTimeout(drop);
  request.once('end', keep).once('close', keep);
}
