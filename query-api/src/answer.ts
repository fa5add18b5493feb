/** Answers `{data, next, completeness}` as JSON, or line by line with the rest as last record. */
import type { FastifyReply } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { COMPLETENESS_SCHEMA, type Completeness } from './completeness.ts';
import { PROBLEM_TYPE } from './errors.ts';

/** Media type of answers line by line. */
export const NDJSON_TYPE = 'application/x-ndjson';

/** Everything of an answer but its rows. */
export interface Rest {
  readonly next: string | null;
  readonly completeness: Completeness;
  /** What the numbers were read from, where there is a choice. */
  readonly from?: string;
}

const NEXT_SCHEMA = Type.Union([Type.String(), Type.Null()], {
  description: 'Pass it as cursor for the next page; null if this was the last one.',
});

/** JSON Schema of an answer with rows of the given schema. */
export function answerSchema(row: TSchema, more: Record<string, TSchema> = {}): TSchema {
  return Type.Object({ data: Type.Array(row), next: NEXT_SCHEMA, completeness: COMPLETENESS_SCHEMA, ...more });
}

const TEXT_OR_LIST = Type.Union([Type.String(), Type.Array(Type.String())]);

/** JSON Schema of problems. */
export const PROBLEM_SCHEMA = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ pattern: '^FLOW_QUERY_[A-Z_]+$' }),
    detail: Type.String(),
    instance: Type.String(),
    parameter: Type.Optional(Type.String()),
    value: Type.Optional(Type.String()),
    allowed: Type.Optional(TEXT_OR_LIST),
    limit: Type.Optional(Type.String({ description: 'Name and value of the limit that was met.' })),
    next_step: Type.Optional(Type.String()),
  },
  { description: 'What was wrong, and what is allowed (RFC 9457).' },
);

/** Responses of a route in its schema: rows of the given schema, or a problem. */
export function responses(answer: TSchema, row?: TSchema): Record<string, unknown> {
  const lines = row === undefined ? {} : { [NDJSON_TYPE]: { schema: row } };
  return {
    200: { description: 'The answer.', content: { 'application/json': { schema: answer }, ...lines } },
    default: { description: 'A problem.', content: { [PROBLEM_TYPE]: { schema: PROBLEM_SCHEMA } } },
  };
}

const line = (value: unknown) => `${JSON.stringify(value)}\n`;

/** Sends rows that are all there. */
export function sendRows(reply: FastifyReply, format: 'json' | 'ndjson', rows: readonly unknown[], rest: Rest) {
  reply.complete = rest.completeness.complete;
  if (format === 'json') return reply.send({ data: rows, ...rest });
  return reply.type(NDJSON_TYPE).send([...rows.map(line), line(rest)].join(''));
}
