/** /v1/requests/{id}: one request by its key, and what else is known of its connection in that time. */

import { type RequestPlace, SPAN_ID_SQL } from '../../../store/ids.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import type { Window } from '../question.ts';
import { type Scope, scoped } from '../scope.ts';
import type { StoreRow } from '../store.ts';
import { earliest, latest } from '../time.ts';
import { OTHER_END_WITHIN_NS, startNs } from './conditions.ts';
import { shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { pairingColumns } from './requests.ts';
import { stampColumns, wholeRowsSql } from './rows.ts';

/** Latest that the flow row of an interval follows something that happened in it, in nanoseconds. */
const FLOW_ROW_WITHIN_NS = 300_000_000_000n;

/** No time that a store knows is later. */
const LAST_NS = 2n ** 63n - 1n;

/**
 * The row at this place, and all views that may be of its exchange. Of the place one five-minute bucket and one pair of
 * endpoints are read, of the time around it whole rows of those with the same sequence only.
 */
export function viewsByIdSql(place: RequestPlace, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, REQUESTS.name, 'v', parameters);
  const time = parameters.instant(place.time);
  // the ends as they were stored: the place in the primary key
  const conditions = [
    condition,
    `toStartOfFiveMinutes(v.time) = toStartOfFiveMinutes(${time})`,
    `v.time = ${time}`,
    `v.destination_endpoint_id = ${parameters.bind(place.destinationEndpointId, 'UInt64')}`,
    `v.source_endpoint_id = ${parameters.bind(place.sourceEndpointId, 'UInt64')}`,
    `${SPAN_ID_SQL} = ${parameters.bind(place.spanId, 'String')}`,
  ];
  const sequence = `SELECT v.request_sequence FROM ${from} WHERE ${conditions.join(' AND ')}`;
  const until = earliest([place.time + OTHER_END_WITHIN_NS + 1n, LAST_NS]);
  const around = { since: latest([place.time - OTHER_END_WITHIN_NS, -LAST_NS]), until };
  const asked = { scope, filters: [], ...around };
  const rows = wholeRowsSql(REQUESTS, asked, [`t.request_sequence IN (${sequence})`], parameters);
  const columns = [...shownColumns(REQUESTS.columns), ...stampColumns(rows), ...pairingColumns('t')];
  return { sql: `SELECT ${columns.join(', ')} FROM ${rows.from} WHERE ${rows.where}`, parameters };
}

/** Time in which something happened, in nanoseconds since the epoch, both ends included. */
export interface Span {
  readonly from: bigint;
  readonly to: bigint;
}

/** Rows of the views' connection at either end: where addresses are translated, each end has its own. */
function ofConnection(
  table: Table,
  views: readonly StoreRow[],
  scope: Scope,
  parameters: Parameters,
  { since, until }: Window,
  more: readonly string[] = [],
): BoundQuery {
  const tuple = [
    ['source_address', 'IPv6'],
    ['source_port', 'UInt16'],
    ['destination_address', 'IPv6'],
    ['destination_port', 'UInt16'],
  ] as const;
  const same = views.map((view) => tuple.map(([name, type]) => `t.${name} = ${parameters.bind(view[name], type)}`));
  // ports by themselves are read first, and little else of rows with others
  const ports = ['source_port', 'destination_port'].map(
    (name) => `t.${name} IN ${parameters.bind([...new Set(views.map((view) => view[name]))], 'Array(UInt16)')}`,
  );
  const clusters = parameters.bind([...new Set(views.map((view) => view.cluster))], 'Array(String)');
  const conditions = [
    ...more,
    ...ports,
    `t.cluster IN ${clusters}`,
    `(${same.map((equal) => `(${equal.join(' AND ')})`).join(' OR ')})`,
  ];
  const { from, where } = wholeRowsSql(table, { scope, filters: [], since, until }, conditions, parameters);
  const sql = [
    `SELECT ${shownColumns(table.columns).join(', ')} FROM ${from} WHERE ${where}`,
    'ORDER BY t.time, t.observation_point LIMIT 1000',
  ].join('\n');
  return { sql, parameters };
}

/** Events of the views' connection within the span, seen at either end. */
export function eventsOfConnectionSql(views: readonly StoreRow[], span: Span, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  return ofConnection(TCP_EVENTS, views, scope, parameters, { since: span.from, until: span.to + 1n });
}

/** Flow rows of the views' connection whose interval touches the span, of either end. */
export function flowsOfConnectionSql(views: readonly StoreRow[], span: Span, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const window = { since: span.from, until: span.to + FLOW_ROW_WITHIN_NS + 1n };
  const touches = `${startNs('t')} <= ${parameters.bind(span.to, 'Int64')}`;
  return ofConnection(FLOWS, views, scope, parameters, window, [touches]);
}
