/** What a route needs to know of who asks. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { QueryString } from './question.ts';

/** The query string as it was sent: every parameter with all its values. */
export function queryOf(request: FastifyRequest): QueryString {
  const search = new URL(request.url, 'http://localhost').searchParams;
  const query: Record<string, string[]> = Object.create(null);
  for (const [name, value] of search) {
    query[name] ??= [];
    query[name].push(value);
  }
  return query;
}

/** Ends when the client has gone before its answer was sent. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
