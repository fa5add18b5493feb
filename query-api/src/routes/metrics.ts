/** /metrics: what this process counts of itself, for Prometheus. */
import Type from 'typebox';
import { PROBLEM_SCHEMA } from '../answer.ts';
import type { Context } from '../context.ts';
import { PROBLEM_TYPE } from '../errors.ts';
import type { QueryApiMetrics } from '../metrics.ts';

/** Adds GET /metrics. */
export function addMetricsRoute({ app }: Context, metrics: QueryApiMetrics): void {
  const text = { schema: Type.String() };
  const schema = {
    summary: 'What this process counts of itself, as Prometheus text or OpenMetrics.',
    response: {
      200: {
        description: 'The metrics, in the format that Accept prefers.',
        content: { 'text/plain': text, 'application/openmetrics-text': text },
      },
      default: { description: 'A problem.', content: { [PROBLEM_TYPE]: { schema: PROBLEM_SCHEMA } } },
    },
  };
  app.get('/metrics', { schema }, async (request, reply) => {
    const { contentType, body } = await metrics.page.answer(request.headers.accept);
    return reply.type(contentType).serializer(String).send(body);
  });
}
