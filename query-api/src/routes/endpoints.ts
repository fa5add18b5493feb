/** /v1/endpoints: who an endpoint id is, and while what time it was so. */
import { ENDPOINTS } from '../../../store/tables.ts';
import { answerSchema, responses, sendRows } from '../answer.ts';
import { completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { decodeCursor, encodeCursor, questionHash } from '../cursor.ts';
import { rowSchema, rowShaper } from '../fields.ts';
import { readFilter } from '../filter/read.ts';
import { refuseUnknown, single } from '../query_string.ts';
import { GENERAL_PARAMETERS, readFormat, readLimit, readWindow } from '../question.ts';
import { goneSignal, queryOf } from '../requester.ts';
import { ENDPOINT_FILTERS, endpointsSql } from '../sql/endpoints.ts';
import { textParameters } from './parameters.ts';

const GENERAL = ['since', 'until', 'limit', 'cursor', 'format'] as const;

/** Adds GET /v1/endpoints. */
export function addEndpointsRoute({ app, store, limits, scopeOf }: Context): void {
  const row = rowSchema(ENDPOINTS);
  const general = Object.fromEntries(GENERAL.map((name) => [name, GENERAL_PARAMETERS[name] ?? '']));
  const filters = [...ENDPOINT_FILTERS.values()].map(({ name, doc, allowed }) => [name, `${doc} Takes ${allowed}.`]);
  const schema = {
    summary: `${ENDPOINTS.doc} Answers those that were valid at some time between since and until.`,
    querystring: textParameters({ ...general, ...Object.fromEntries(filters) }),
    response: responses(answerSchema(row), row),
  };
  const shape = rowShaper(ENDPOINTS.columns);
  app.get('/v1/endpoints', { schema }, async (request, reply) => {
    const signal = goneSignal(reply, limits);
    const query = queryOf(request);
    refuseUnknown(query, [...GENERAL, ...ENDPOINT_FILTERS.keys()]);
    const given = Object.entries(query).filter(([name]) => ENDPOINT_FILTERS.has(name));
    const hash = questionHash('endpoints', query);
    const text = single(query, 'cursor');
    const cursor = text === undefined ? undefined : decodeCursor(hash, text, 2);
    const asked = {
      ...readWindow(query, limits, cursor),
      scope: scopeOf(request),
      filters: given.map(([name, values]) => readFilter(ENDPOINT_FILTERS.get(name)!, values)),
    };
    const limit = readLimit(query, limits);
    const format = readFormat(query, request.headers.accept);
    const [rows, coverage] = await Promise.all([
      store.rows(endpointsSql(asked, cursor?.after, limit + 1), signal),
      readCoverage(store, ENDPOINTS, { ...asked, filters: [] }, signal),
    ]);
    const page = rows.slice(0, limit);
    const after = rows.length > limit ? page.at(-1) : undefined;
    const { since, until } = asked;
    const next =
      after === undefined
        ? null
        : encodeCursor(hash, { since, until, after: [String(after.endpoint_id), String(after._from_ns)] });
    return sendRows(reply, format, page.map(shape), { next, completeness: completenessOf(coverage, false) });
  });
}
