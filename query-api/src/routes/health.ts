/** /healthz, /readyz, /openapi.json. */
import Type from 'typebox';
import { responses } from '../answer.ts';
import type { Context } from '../context.ts';
import { QueryError } from '../errors.ts';

const OK = Type.Object({ status: Type.Literal('ok') });

/** Adds the routes by which others watch this process and read its interface. */
export function addHealthRoutes({ app, store }: Context): void {
  app.get('/healthz', { schema: { summary: 'Whether the process runs.', response: responses(OK) } }, async () => ({
    status: 'ok',
  }));
  app.get('/readyz', { schema: { summary: 'Whether the store answers.', response: responses(OK) } }, async () => {
    const answer = await store.ping();
    if (answer.ok) return { status: 'ok' };
    throw new QueryError(503, 'FLOW_QUERY_STORE_UNREACHABLE', `the store does not answer: ${answer.reason}`, {
      next_step: 'Check that the store runs and that clickhouse.url is right.',
    });
  });
  const schema = {
    summary: 'This interface, as OpenAPI 3.1.',
    response: responses(Type.Object({}, { additionalProperties: true })),
  };
  app.get('/openapi.json', { schema }, async () => app.swagger());
}
