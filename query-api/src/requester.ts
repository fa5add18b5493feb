/** What a route needs to know of who asks. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Limits } from './options.ts';
import { type QueryString, readQueryString } from './query_string.ts';
import { tooSlow } from './store_errors.ts';

/** The query string as it was sent. */
export const queryOf = (request: FastifyRequest): QueryString => readQueryString(request.url);

/** How much longer than one query of it a whole question may take, in milliseconds. */
const GRACE_MS = 600;

/** Longest that a whole question may take, waiting included, in milliseconds. */
export const patienceMs = ({ max_execution_s }: Pick<Limits, 'max_execution_s'>): number =>
  max_execution_s * 1000 + GRACE_MS;

/** Who asks, by the signal that goes along with their question. */
const askers = new WeakMap<AbortSignal, string>();

/** Whose question it is that ends with this signal: a name by which what they ask at once is bounded. */
export const askerOf = (signal: AbortSignal | undefined): string => (signal && askers.get(signal)) ?? '';

/**
 * Ends when the client has gone before its answer was sent, or when the answer has taken too long; its reason is then a
 * QueryError.
 */
export function goneSignal(reply: FastifyReply, limits: Pick<Limits, 'max_execution_s'>): AbortSignal {
  const controller = new AbortController();
  askers.set(controller.signal, reply.request.ip);
  const overdue = setTimeout(() => controller.abort(tooSlow(limits.max_execution_s)), patienceMs(limits));
  reply.raw.once('close', () => {
    clearTimeout(overdue);
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
