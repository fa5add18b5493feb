/** /v1/requests: exchanges with the evidence of their connection. */
import { REQUESTS } from '../../../store/tables.ts';
import type { RowDefinition } from '../definition.ts';
import {
  aliasParameter,
  allParameters,
  durationParameters,
  eitherEndParameters,
  endParameters,
  methodParameter,
  statusParameter,
} from '../filter/parameters.ts';
import type { Scope } from '../scope.ts';
import { scoped } from '../scope.ts';
import type { StoreRow } from '../store.ts';
import { earliest, latest } from '../time.ts';
import { connectionHash, endNs, startNs } from './conditions.ts';
import { CLOCK_TOLERANCE_NS, OTHER_END_WITHIN_NS } from './exchange.ts';
import { shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** What pairs the views of an exchange: which connection it was on, and when; nanoseconds since the epoch. */
export function pairingColumns(alias: string): string[] {
  return [
    `toString(${connectionHash(alias)}) AS _connection`,
    `toString(${startNs(alias)}) AS _start`,
    `toString(${endNs(alias)}) AS _end`,
  ];
}

export const REQUESTS_DEFINITION: RowDefinition = {
  route: 'requests',
  table: REQUESTS,
  key: ['node', 'boot_id', 'socket_cookie', 'generation', 'observation_point', 'request_index'],
  alongside: pairingColumns('t'),
  failure: "t.outcome IN ('server_error', 'no_response', 'refused')",
  filters: allParameters(REQUESTS, [
    ...endParameters(REQUESTS),
    ...eitherEndParameters(REQUESTS),
    ...durationParameters(REQUESTS, 'duration_ns'),
    methodParameter(REQUESTS),
    statusParameter(REQUESTS),
    aliasParameter(REQUESTS, 'path', ['http_path']),
    aliasParameter(REQUESTS, 'host', ['http_host']),
    aliasParameter(REQUESTS, 'route', ['resource']),
    aliasParameter(REQUESTS, 'cause', ['close_cause']),
  ]),
};

/** Begin and end of a time, both included; nanoseconds since the epoch. */
export type Span = readonly [from: bigint, to: bigint];

/**
 * When the other end's view of a row's exchange ended: at the server not after the client, at the client soon after the
 * server. Last bytes that were lost are sent again, which takes a while.
 */
function otherEndSpan(row: StoreRow): Span {
  const [start, end] = [BigInt(String(row._start)), BigInt(String(row._end))];
  if (row.observation_point === 'client') {
    return [latest([start, end - OTHER_END_WITHIN_NS]) - CLOCK_TOLERANCE_NS, end + CLOCK_TOLERANCE_NS];
  }
  const patience = earliest([OTHER_END_WITHIN_NS, 1_000_000_000n + 2n * (end - start)]);
  return [end - CLOCK_TOLERANCE_NS, end + patience];
}

/** The spans, put together where they touch. */
function merged(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const span of spans.toSorted((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const before = found.at(-1);
    if (before !== undefined && span[0] <= before[1])
      found[found.length - 1] = [before[0], latest([before[1], span[1]])];
    else found.push(span);
  }
  return found;
}

/** Views of the rows' connections, around the time of each row. */
function viewsWhere(rows: readonly StoreRow[], spans: readonly Span[], scope: Scope, parameters: Parameters): string {
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const ports = [...new Set(rows.map((row) => row.source_port))];
  const connections = [...new Set(rows.map((row) => BigInt(String(row._connection))))];
  const times = merged(spans).map(
    ([begin, end]) => `t.time >= ${parameters.instant(begin)} AND t.time <= ${parameters.instant(end)}`,
  );
  return [
    `FROM ${from} WHERE ${condition} AND (${times.join(' OR ')})`,
    `AND t.source_port IN ${parameters.bind(ports, 'Array(UInt16)')}`,
    `AND ${connectionHash('t')} IN ${parameters.bind(connections, 'Array(UInt64)')}`,
  ].join(' ');
}

/** What of a view tells it from others and says what it goes together with. */
const VIEW_COLUMNS = [
  ...['observation_point', 'boot_id', 'socket_cookie', 'generation', 'request_index', 'response_start_ns'],
  'source_port',
];

/** All views, of both ends, among which those of these rows are paired: only what pairing needs. */
export function viewsAroundSql(rows: readonly StoreRow[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const columns = [...VIEW_COLUMNS.map((name) => `t.${name} AS ${name}`), ...pairingColumns('t')];
  const spans = rows.flatMap((row) => [
    otherEndSpan(row),
    [BigInt(String(row._end)), BigInt(String(row._end))] as const,
  ]);
  const sql = `SELECT ${columns.join(', ')}\n${viewsWhere(rows, spans, scope, parameters)}`;
  return { sql, parameters };
}

/** The whole rows of these views. */
export function wholeViewsSql(views: readonly StoreRow[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const columns = [...shownColumns(REQUESTS.columns), ...pairingColumns('t')];
  const ends = views.map((view) => BigInt(String(view._end)));
  const spans = ends.map((end) => [end, end] as const);
  const sql = `SELECT ${columns.join(', ')}\n${viewsWhere(views, spans, scope, parameters)}`;
  return { sql, parameters };
}
