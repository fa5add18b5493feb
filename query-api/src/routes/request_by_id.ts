/** /v1/requests/{id}: one request with its evidence from both sides. */
import Type from 'typebox';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../../store/tables.ts';
import { answerSchema, responses } from '../answer.ts';
import { completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { addNames, ENDS } from '../endpoint_names.ts';
import { QueryError } from '../errors.ts';
import { pairUp } from '../exchange.ts';
import { rowShaper } from '../fields.ts';
import { claimsOf } from '../identities.ts';
import { flowId, placeOf } from '../ids.ts';
import { idOfView, namesFor, shapeExchange } from '../pages.ts';
import { refuseUnknown } from '../query_string.ts';
import { goneSignal, queryOf } from '../requester.ts';
import { FLOWS_DEFINITION } from '../sql/flows.ts';
import { eventsOfConnectionSql, flowsOfConnectionSql, viewsByIdSql } from '../sql/request_by_id.ts';
import { REQUESTS_DEFINITION } from '../sql/requests.ts';
import { TCP_EVENTS_DEFINITION } from '../sql/tcp_events.ts';
import type { StoreRow } from '../store.ts';
import { earliest, latest } from '../time.ts';
import { shownRowSchema } from './rows.ts';

const shapeRequest = rowShaper(REQUESTS.columns);
const shapeFlow = rowShaper(FLOWS.columns);
const shapeEvent = rowShaper(TCP_EVENTS.columns);

function withFlowId(shape: (row: StoreRow) => Record<string, unknown>) {
  return (row: StoreRow) => {
    const shown = shape(row);
    shown.flow_id = flowId(shown);
    return shown;
  };
}

/** From the first begin to the last end of the views. */
function spanOf(views: readonly StoreRow[]) {
  const starts = views.map((view) => BigInt(String(view._start)));
  const ends = views.map((view) => BigInt(String(view._end)));
  return { from: earliest(starts), to: latest(ends) };
}

/** Adds GET /v1/requests/{id}. */
export function addRequestByIdRoute({ app, store, limits, scopeOf }: Context): void {
  const request = shownRowSchema(REQUESTS_DEFINITION);
  const view = Type.Union([request, Type.Null()]);
  const data = Type.Object({
    request: Type.Unsafe<unknown>({ ...request, description: 'The view that counts, as /v1/requests shows it.' }),
    views: Type.Object({ client: view, server: view }, { description: 'What each end saw; null if not observed.' }),
    tcp_events: Type.Array(shownRowSchema(TCP_EVENTS_DEFINITION), { description: 'Of its connection, meanwhile.' }),
    flows: Type.Array(shownRowSchema(FLOWS_DEFINITION), {
      description: 'Intervals of its connection that it touches.',
    }),
  });
  const schema = {
    summary: 'One request with what both ends saw of it, and what happened on its connection meanwhile.',
    params: Type.Object({ id: Type.String({ description: 'id of a request in any answer.' }) }),
    response: responses(answerSchema(data, { data })),
  };
  app.get('/v1/requests/:id', { schema }, async (asked, reply) => {
    const signal = goneSignal(reply, limits);
    refuseUnknown(queryOf(asked), []);
    const { id } = asked.params as { id: string };
    const place = placeOf(id);
    const scope = await claimsOf(store, scopeOf(asked), { since: place.time, until: place.time + 1n }, signal);
    const found = await store.rows(viewsByIdSql(place, scope), signal);
    const row = found.find((one) => idOfView(one) === id);
    if (row === undefined) {
      throw new QueryError(404, 'FLOW_QUERY_NO_SUCH_REQUEST', 'there is no request with this id, or no longer', {
        next_step: 'Rows expire; completeness.expired_before of /v1/requests tells when.',
      });
    }
    const [exchange] = pairUp([row], found);
    const { other } = exchange!;
    const ofEnds = other === undefined ? [row] : [row, other];
    const span = spanOf(ofEnds);
    const window = { scope, filters: [], since: span.from, until: span.to + 1n };
    const viewOf = (point: string) => {
      if (row.observation_point === point) return shapeExchange({ row, other: undefined }, shapeRequest);
      return other === undefined ? null : shapeExchange({ row: other, other: undefined }, shapeRequest);
    };
    const views = { client: viewOf('client'), server: viewOf('server') };
    const counted = row.observation_point === 'client' && other !== undefined ? { row: other, other: row } : exchange!;
    const shown = shapeExchange(counted, shapeRequest);
    const requests = [shown, views.client, views.server].filter((one) => one !== null);
    const [events, flows, coverage, names] = await Promise.all([
      store.rows(eventsOfConnectionSql(ofEnds, span, scope), signal),
      store.rows(flowsOfConnectionSql(ofEnds, span, scope), signal),
      readCoverage(store, REQUESTS, window, signal),
      namesFor(store, requests, scope, signal),
    ]);
    const answer = {
      request: shown,
      views,
      tcp_events: events.map(withFlowId(shapeEvent)),
      flows: flows.map(withFlowId(shapeFlow)),
    };
    // as a rule the same ends
    const rest = [...answer.tcp_events, ...answer.flows];
    const unnamed = rest.filter((one) => ENDS.some((end) => !names.has(String(one[`${end}_endpoint_id`]))));
    const all = new Map([...names, ...(await namesFor(store, unnamed, scope, signal))]);
    for (const one of [...requests, ...rest]) addNames(one, all);
    const completeness = completenessOf(coverage, Number(row.sample_weight) > 1);
    reply.complete = completeness.complete;
    return reply.send({ data: answer, next: null, completeness });
  });
}
