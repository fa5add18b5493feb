/** /v1/audit: what collectors counted beside what the store has. */
import { COLLECTOR_REPORTS } from '../../../store/tables.ts';
import { answerSchema, responses, sendRows } from '../answer.ts';
import { AUDITED_NODE_SCHEMA, readAudit } from '../audit.ts';
import { completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { refuseUnknown } from '../query_string.ts';
import { GENERAL_PARAMETERS, readFormat, readWindow } from '../question.ts';
import { goneSignal, queryOf } from '../requester.ts';
import { textParameters } from './parameters.ts';

const GENERAL = ['since', 'until', 'format'] as const;
const HOUR_NS = 3_600_000_000_000n;

/** Adds GET /v1/audit. */
export function addAuditRoute({ app, store, limits, scopeOf }: Context): void {
  const docs = Object.fromEntries(GENERAL.map((name) => [name, GENERAL_PARAMETERS[name]?.replace('15m', '1h') ?? '']));
  const schema = {
    summary:
      'Per node whose collector reported between since and until: what each of its runs had counted, and how many rows ' +
      'of theirs the store has. `flowspan audit` judges it.',
    querystring: textParameters(docs),
    response: responses(answerSchema(AUDITED_NODE_SCHEMA), AUDITED_NODE_SCHEMA),
  };
  app.get('/v1/audit', { schema }, async (request, reply) => {
    const signal = goneSignal(reply, limits);
    const query = queryOf(request);
    refuseUnknown(query, [...GENERAL]);
    const window = { scope: scopeOf(request), filters: [], ...readWindow(query, limits, undefined, HOUR_NS) };
    const format = readFormat(query, request.headers.accept);
    const [nodes, coverage] = await Promise.all([
      readAudit(store, window, signal),
      readCoverage(store, COLLECTOR_REPORTS, window, signal),
    ]);
    return sendRows(reply, format, nodes, { next: null, completeness: completenessOf(coverage, false) });
  });
}
