/** /healthz, /readyz, /openapi.json. */
import Type from 'typebox';
import { responses } from '../answer.ts';
import type { Context } from '../context.ts';
import { goneSignal } from '../requester.ts';
import { EVERYTHING } from '../scope.ts';
import { readinessSql } from '../sql/readyz.ts';

const OK = Type.Object({ status: Type.Literal('ok') });

/** Longest that the store may take to say that it is there, in seconds. */
const READY_S = 5;

/** Adds the routes by which others watch this process and read its interface. */
export function addHealthRoutes({ app, store, limits }: Context): void {
  app.get('/healthz', { schema: { summary: 'Whether the process runs.', response: responses(OK) } }, async () => ({
    status: 'ok',
  }));
  const ready = { summary: 'Whether the store answers and has its tables.', response: responses(OK) };
  app.get('/readyz', { schema: ready }, async (_request, reply) => {
    await store.rows(readinessSql(EVERYTHING), goneSignal(reply, limits), { max_execution_s: READY_S });
    return { status: 'ok' };
  });
  const schema = {
    summary: 'This interface, as OpenAPI 3.1.',
    response: responses(Type.Object({}, { additionalProperties: true })),
  };
  app.get('/openapi.json', { schema }, async () => app.swagger());
}
