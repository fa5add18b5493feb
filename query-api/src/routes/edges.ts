/** /v1/edges: the service map. */
import Type, { type TSchema } from 'typebox';
import { EDGES_1M } from '../../../store/rollups.ts';
import { REQUESTS } from '../../../store/tables.ts';
import { answerSchema, responses, sendRows } from '../answer.ts';
import { type Coverage, completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { encodeCursor } from '../cursor.ts';
import { EDGE_MEASURES } from '../edge_measures.ts';
import { EDGE_FILTERS, EDGE_GENERAL_DOCS, type EdgesQuestion, readEdgesQuestion } from '../edges.ts';
import { addNames, nameSchemas } from '../endpoint_names.ts';
import { instantText } from '../fields.ts';
import { shapeKey } from '../groups.ts';
import { builtEdges, withClaims } from '../identities.ts';
import { namesFor } from '../pages.ts';
import { goneSignal, queryOf } from '../requester.ts';
import { expiredBefore } from '../retention.ts';
import { wholeMinute } from '../sql/edge_sources.ts';
import { edgesSql } from '../sql/edges.ts';
import type { Store, StoreRow } from '../store.ts';
import { filterDocs, textParameters } from './parameters.ts';

function measureSchemas(): Record<string, TSchema> {
  const entries = EDGE_MEASURES.map(({ name, json, doc }): [string, TSchema] => {
    if (json === 'string') return [name, Type.String({ pattern: '^\\d+$', description: doc })];
    return [name, Type.Union([Type.Number(), Type.Null()], { description: doc })];
  });
  return Object.fromEntries(entries);
}

function shownMeasures(row: StoreRow): [string, unknown][] {
  return EDGE_MEASURES.map(({ name, json }) => {
    const value = row[name];
    if (json === 'string') return [name, String(value)];
    return [name, value === null || value === undefined ? null : Number(value)];
  });
}

/** How well the time is covered: by minutes where the rollup tells, by rows in what is left of the first minute. */
async function edgesCoverage(store: Store, question: EdgesQuestion, signal: AbortSignal): Promise<Coverage> {
  if (question.from === 'rows') return await readCoverage(store, REQUESTS, question, signal);
  const coverage = await readCoverage(store, EDGES_1M, question, signal);
  const begin = wholeMinute(question.since);
  if (begin === question.since || coverage.expired_before !== null) return coverage;
  const rowsGone = (await expiredBefore(store, REQUESTS, signal)) > question.since;
  return rowsGone ? { ...coverage, expired_before: instantText(begin) } : coverage;
}

/** Adds GET /v1/edges. */
export function addEdgesRoute({ app, store, limits, scopeOf }: Context): void {
  const row = Type.Object(
    { ...nameSchemas(), ...measureSchemas() },
    { description: 'What group_by names, and the measures.', additionalProperties: true },
  );
  const from = Type.String({
    enum: ['edges_1m', 'rows'],
    description:
      'edges_1m: whole minutes, or hours of them, come from rollups as far as those are built, the rest from rows. rows: a filter needs the rows.',
  });
  const schema = {
    summary: 'Who talks to whom: rate, errors, latency, retransmits, round trip time per edge.',
    querystring: textParameters({ ...EDGE_GENERAL_DOCS, ...filterDocs(EDGE_FILTERS) }),
    response: responses(answerSchema(row, { from }), row),
  };
  app.get('/v1/edges', { schema }, async (request, reply) => {
    const signal = goneSignal(reply, limits);
    const asked = readEdgesQuestion(queryOf(request), request.headers.accept, scopeOf(request), limits);
    const built = await builtEdges(store, signal);
    const question = { ...(await withClaims(store, asked, signal)), ...built };
    const offset = Number(question.cursor?.after[0] ?? 0);
    const [found, coverage] = await Promise.all([
      store.rows(edgesSql(question, offset, question.limit + 1), signal),
      edgesCoverage(store, question, signal),
    ]);
    const page = found.slice(0, question.limit);
    const rows = page.map((one) => {
      const keys = question.keys.map((key, index): [string, unknown] => [key.name, shapeKey(key, one[`k${index}`])]);
      return Object.fromEntries([...keys, ...shownMeasures(one)]);
    });
    if (question.keys.some((key) => key.name.endsWith('_endpoint_id'))) {
      const names = await namesFor(store, rows, question.scope, signal);
      for (const one of rows) addNames(one, names);
    }
    const { since, until, hash } = question;
    const more = found.length > page.length;
    const next = more ? encodeCursor(hash, { since, until, after: [String(offset + page.length)] }) : null;
    const sampled = page.some((one) => Number(one._weight) > 1);
    const completeness = completenessOf(coverage, sampled);
    return sendRows(reply, question.format, rows, { next, completeness, from: question.from });
  });
}
