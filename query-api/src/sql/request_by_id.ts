/** /v1/requests/{id}: one request by its key, and what else is known of its connection in that time. */

import { type RequestPlace, SPAN_ID_SQL } from '../../../store/ids.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import { type Scope, scoped } from '../scope.ts';
import type { StoreRow } from '../store.ts';
import { endNs, startNs } from './conditions.ts';
import { shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { pairingColumns } from './requests.ts';

/** Latest that the flow row of an interval follows something that happened in it, in nanoseconds. */
const FLOW_ROW_WITHIN_NS = 300_000_000_000n;

/** The row at this place: one five-minute bucket and one pair of endpoints are read. */
export function requestByIdSql(place: RequestPlace, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const time = parameters.instant(place.time);
  const sql = [
    `SELECT ${[...shownColumns(REQUESTS.columns), ...pairingColumns('t')].join(', ')} FROM ${from}`,
    `WHERE ${condition} AND toStartOfFiveMinutes(t.time) = toStartOfFiveMinutes(${time}) AND t.time = ${time}`,
    `AND t.destination_endpoint_id = ${parameters.bind(place.destinationEndpointId, 'UInt64')}`,
    `AND t.source_endpoint_id = ${parameters.bind(place.sourceEndpointId, 'UInt64')}`,
    `AND ${SPAN_ID_SQL} = ${parameters.bind(place.spanId, 'String')} LIMIT 1`,
  ].join('\n');
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
  when: string,
): BoundQuery {
  const { from, condition } = scoped(scope, table.name, 't', parameters);
  const tuple = [
    ['source_address', 'IPv6'],
    ['source_port', 'UInt16'],
    ['destination_address', 'IPv6'],
    ['destination_port', 'UInt16'],
  ] as const;
  const same = views.map((view) => tuple.map(([name, type]) => `t.${name} = ${parameters.bind(view[name], type)}`));
  const sql = [
    `SELECT ${shownColumns(table.columns).join(', ')} FROM ${from}`,
    `WHERE ${condition} AND ${when} AND (${same.map((equal) => `(${equal.join(' AND ')})`).join(' OR ')})`,
    'ORDER BY t.time, t.observation_point LIMIT 1000',
  ].join('\n');
  return { sql, parameters };
}

/** Events of the views' connection within the span, seen at either end. */
export function eventsOfConnectionSql(views: readonly StoreRow[], span: Span, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const when = `t.time >= ${parameters.instant(span.from)} AND t.time <= ${parameters.instant(span.to)}`;
  return ofConnection(TCP_EVENTS, views, scope, parameters, when);
}

/** Flow rows of the views' connection whose interval touches the span, of either end. */
export function flowsOfConnectionSql(views: readonly StoreRow[], span: Span, scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const when =
    `t.time >= ${parameters.instant(span.from)} AND t.time <= ${parameters.instant(span.to + FLOW_ROW_WITHIN_NS)}` +
    ` AND ${startNs('t')} <= ${parameters.bind(span.to, 'Int64')} AND ${endNs('t')} >= ${parameters.bind(span.from, 'Int64')}`;
  return ofConnection(FLOWS, views, scope, parameters, when);
}
