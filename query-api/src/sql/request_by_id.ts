/** /v1/requests/{id}: one request by its key, and what else is known of its connection in that time. */

import { type RequestPlace, SPAN_ID_SQL } from '../../../store/ids.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import type { Window } from '../question.ts';
import type { Scope } from '../scope.ts';
import type { StoreRow } from '../store.ts';
import { startNs } from './conditions.ts';
import { shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { pairingColumns } from './requests.ts';
import { stampColumns, wholeRowsSql } from './rows.ts';

/** Latest that the flow row of an interval follows something that happened in it, in nanoseconds. */
const FLOW_ROW_WITHIN_NS = 300_000_000_000n;

/** The row at this place: one five-minute bucket and one pair of endpoints are read. */
export function requestByIdSql(place: RequestPlace, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const time = parameters.instant(place.time);
  // the ends as they were stored: the place in the primary key
  const conditions = [
    `toStartOfFiveMinutes(t.time) = toStartOfFiveMinutes(${time})`,
    `t.destination_endpoint_id = ${parameters.bind(place.destinationEndpointId, 'UInt64')}`,
    `t.source_endpoint_id = ${parameters.bind(place.sourceEndpointId, 'UInt64')}`,
    `${SPAN_ID_SQL} = ${parameters.bind(place.spanId, 'String')}`,
  ];
  const asked = { scope, filters: [], since: place.time, until: place.time + 1n };
  const rows = wholeRowsSql(REQUESTS, asked, conditions, parameters);
  const columns = [...shownColumns(REQUESTS.columns), ...stampColumns(rows), ...pairingColumns('t')];
  const sql = `SELECT ${columns.join(', ')} FROM ${rows.from} WHERE ${rows.where} LIMIT 1`;
  return { sql, parameters };
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
  const clusters = parameters.bind([...new Set(views.map((view) => view.cluster))], 'Array(String)');
  const conditions = [
    ...more,
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
