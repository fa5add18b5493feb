/** What a route needs to know of who asks. */
import type { FastifyRequest } from 'fastify';
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
export function goneSignal(request: FastifyRequest): AbortSignal {
  const controller = new AbortController();
  request.raw.socket.once('close', () => controller.abort());
  return controller.signal;
}
