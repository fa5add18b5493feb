/** What a route needs to know of who asks. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type QueryString, readQueryString } from './query_string.ts';

/** The query string as it was sent. */
export const queryOf = (request: FastifyRequest): QueryString => readQueryString(request.url);

/** Ends when the client has gone before its answer was sent. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
