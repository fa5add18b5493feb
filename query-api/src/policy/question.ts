/** Reads a question about drafts of policies. */
import type { FastifyRequest } from 'fastify';
import { badValue, QueryError } from '../errors.ts';
import type { Limits } from '../options.ts';
import { refuseUnknown, single } from '../query_string.ts';
import { readLimit, readWindow, type Window } from '../question.ts';
import { queryOf } from '../requester.ts';

/** What may be asked for in the query string. */
export const CHECK_PARAMETERS: Readonly<Record<string, string>> = {
  since: 'Begin of the time whose rows are replayed, as elsewhere. Default: 24h before until.',
  until: 'End of it, not included. Default: now.',
  namespace: 'Only what has an end in this namespace.',
  examples: 'Most examples of each change, 0 to 20. Default: 3.',
  limit: 'Most changes of the answer: those that deny come first, then those that allow, then what is not known.',
};
/** Largest body, bytes. */
export const BODY_BYTES = 16 * 1024 ** 2;
const DAY_NS = 86_400_000_000_000n;
const EXAMPLES = { otherwise: 3, most: 20 } as const;
/** Most objects of each list. */
const OBJECTS = 50_000;

export interface CheckQuestion extends Window {
  readonly drafts: readonly unknown[];
  /** What is in force, and what tells of the cluster; undefined: nothing is in force. */
  readonly current: readonly unknown[] | undefined;
  readonly namespace: string | undefined;
  readonly examples: number;
  readonly limit: number;
}

function objectsIn(body: unknown, name: string): readonly unknown[] | undefined {
  const value = Object.hasOwn(body as object, name) ? Reflect.get(body as object, name) : undefined;
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.length <= OBJECTS) return value;
  throw badValue(
    name,
    Array.isArray(value) ? `${value.length} objects` : typeof value,
    `a list of at most ${OBJECTS} objects`,
  );
}

/** @throws QueryError with status 400 or 422 */
export function readCheckQuestion(request: FastifyRequest, limits: Limits): CheckQuestion {
  const query = queryOf(request);
  refuseUnknown(query, Object.keys(CHECK_PARAMETERS));
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new QueryError(400, 'FLOW_QUERY_BAD_REQUEST', 'the body is no JSON object', {
      allowed: '{"drafts": [objects], "current": [objects]}',
    });
  for (const name of Object.keys(body))
    if (name !== 'drafts' && name !== 'current') throw badValue('body', name, ['drafts', 'current']);
  const drafts = objectsIn(body, 'drafts') ?? [];
  if (drafts.length === 0) throw badValue('drafts', 'nothing', 'at least one policy');
  const text = single(query, 'examples');
  const examples = text === undefined ? EXAMPLES.otherwise : /^\d{1,3}$/.test(text) ? Number(text) : Infinity;
  if (examples > EXAMPLES.most) throw badValue('examples', text ?? '', `0 to ${EXAMPLES.most}`);
  return {
    ...readWindow(query, limits, undefined, DAY_NS),
    ...{ drafts, current: objectsIn(body, 'current') },
    ...{ namespace: single(query, 'namespace'), examples, limit: readLimit(query, limits) },
  };
}
