/** Routes that answer rows of one table, or groups of them: flows, requests, tcp-events, verdicts. */
import Type from 'typebox';
import { answerSchema, responses, sendRows } from '../answer.ts';
import { completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { encodeCursor } from '../cursor.ts';
import type { RowDefinition } from '../definition.ts';
import { hasEnds, nameSchemas } from '../endpoint_names.ts';
import { fieldSchema, rowSchema } from '../fields.ts';
import { readGroups } from '../groups.ts';
import { withClaims } from '../identities.ts';
import { OTHER_SIDE, readPage } from '../pages.ts';
import { readQuestion } from '../question.ts';
import { goneSignal, queryOf } from '../requester.ts';
import { rowParameters } from './parameters.ts';

const ID = Type.String({ description: 'Opaque; /v1/requests/{id} tells all about it.' });
const FLOW_ID = Type.String({ description: 'The connection at the observed end, the same in all tables.' });

function otherSideSchema(definition: RowDefinition) {
  const own = definition.table.columns.filter((one) => (OTHER_SIDE as readonly string[]).includes(one.name));
  const evidence = Object.fromEntries(own.map((one) => [one.name, fieldSchema(one)]));
  return Type.Union([Type.Object({ id: ID, flow_id: FLOW_ID, ...evidence }), Type.Null()], {
    description: "The other end's view of the same exchange; null if that end was not observed.",
  });
}

/** JSON Schema of one row as the route answers it. */
export function shownRowSchema(definition: RowDefinition) {
  if (!hasEnds(definition.table)) return rowSchema(definition.table);
  const isRequest = definition.table.name === 'requests';
  const more = isRequest ? { id: ID, other_side: otherSideSchema(definition) } : {};
  return rowSchema(definition.table, { ...more, flow_id: FLOW_ID, ...nameSchemas() });
}

/** Adds GET /v1/<route>. */
export function addRowRoute({ app, store, limits, scopeOf }: Context, definition: RowDefinition): void {
  const row = Type.Object(
    {},
    { description: 'With group_by or interval: the keys and measures.', additionalProperties: true },
  );
  const either = Type.Union([shownRowSchema(definition), row]);
  const schema = {
    summary: definition.summary,
    querystring: rowParameters(definition),
    response: responses(answerSchema(either), either),
  };
  app.get(`/v1/${definition.route}`, { schema }, async (request, reply) => {
    const signal = goneSignal(reply, limits);
    const asked = readQuestion(definition, queryOf(request), request.headers.accept, scopeOf(request), limits);
    const question = await withClaims(store, asked, signal);
    const { grouping, cursor, limit } = question;
    const [page, coverage] = await Promise.all([
      grouping === undefined
        ? readPage(store, question, cursor?.after, limit, signal)
        : readGroups(store, question, grouping, signal),
      readCoverage(store, definition.table, question, signal),
    ]);
    const { since, until, hash } = question;
    const next = page.after === undefined ? null : encodeCursor(hash, { since, until, after: page.after });
    return sendRows(reply, question.format, page.rows, { next, completeness: completenessOf(coverage, page.sampled) });
  });
}
