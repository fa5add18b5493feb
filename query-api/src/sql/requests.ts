/** /v1/requests: exchanges with the evidence of their connection. */
import { FAILED_OUTCOMES_SQL, REQUESTS } from '../../../store/tables.ts';
import type { RowDefinition } from '../definition.ts';
import { endParameters, serviceParameter } from '../filter/end_parameters.ts';
import {
  aliasParameter,
  allParameters,
  durationParameters,
  eitherEndParameters,
  methodParameter,
  statusParameter,
} from '../filter/parameters.ts';
import type { PartBounds } from '../parts.ts';
import type { Question } from '../question.ts';
import { PHASE_MEASURES } from '../request_phases.ts';
import { type Scope, scoped } from '../scope.ts';
import type { StoreRow } from '../store.ts';
import { earliest, latest } from '../time.ts';
import { endNs, OTHER_END_WITHIN_NS, startNs } from './conditions.ts';
import { requestsOnceSql } from './exchange.ts';
import { behind, ORDER_VALUES, orderSql, orderValues, shownColumns } from './list.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { stampColumns, wholeRowsSql } from './rows.ts';

/** Begin and end of a view; nanoseconds since the epoch. */
export function pairingColumns(alias: string): string[] {
  return [`toString(${startNs(alias)}) AS _start`, `toString(${endNs(alias)}) AS _end`];
}

export const REQUESTS_DEFINITION: RowDefinition = {
  route: 'requests',
  table: REQUESTS,
  summary:
    'Requests, each once: as the server saw it where that end was observed, else as the client did, with the other ' +
    "end's view alongside. Filters look at the view that counts; with observation_point each view is a row of its own.",
  key: ['node', 'boot_id', 'socket_cookie', 'generation', 'observation_point', 'request_index'],
  alongside: pairingColumns('t'),
  failure: `t.outcome IN ${FAILED_OUTCOMES_SQL}`,
  measures: PHASE_MEASURES,
  filters: allParameters(REQUESTS, [
    ...endParameters(REQUESTS),
    serviceParameter(REQUESTS),
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

/** When the other end's view of a row's exchange may have ended. */
function otherEndSpan(row: StoreRow): Span {
  const end = BigInt(String(row._end));
  return [end - OTHER_END_WITHIN_NS, end + OTHER_END_WITHIN_NS];
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

/** Views that may be of the rows' exchanges, by what is cheap to read. */
function ofExchanges(rows: readonly StoreRow[], parameters: Parameters): string {
  const sequences = [...new Set(rows.map((row) => row.request_sequence))];
  return `t.request_sequence IN ${parameters.bind(sequences, 'Array(UInt32)')}`;
}

/** What of a view tells it from others and says what it goes together with. */
const VIEW_COLUMNS = ['observation_point', 'request_sequence', 'response_sequence'];

/** Expressions for all that pairing needs to know of a view in `alias`. */
export function viewColumns(alias: string): string[] {
  return [...VIEW_COLUMNS.map((name) => `${alias}.${name} AS ${name}`), ...pairingColumns(alias)];
}

/** Rows that viewsAroundSql can be asked about at once: in order of their end, in few enough stretches of time. */
export const VIEWS_AROUND: PartBounds<StoreRow> = {
  entries: 250,
  gaps: 30,
  apart: (before, next) => BigInt(String(next._end)) - BigInt(String(before._end)) > 2n * OTHER_END_WITHIN_NS,
};

/** All views, of both ends, among which those of these rows are paired: only what pairing needs. */
export function viewsAroundSql(rows: readonly StoreRow[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const times = merged(rows.map(otherEndSpan)).map(
    ([begin, end]) => `t.time >= ${parameters.instant(begin)} AND t.time <= ${parameters.instant(end)}`,
  );
  const sql = [
    `SELECT ${viewColumns('t').join(', ')} FROM ${from}`,
    `WHERE ${condition} AND (${times.join(' OR ')}) AND ${ofExchanges(rows, parameters)}`,
  ].join('\n');
  return { sql, parameters };
}

const BUCKET_NS = 300_000_000_000n;

/** Views that wholeViewsSql can be asked for at once: in order of their end, in few enough five minutes. */
export const WHOLE_VIEWS: PartBounds<StoreRow> = {
  entries: 160,
  gaps: 40,
  apart: (before, next) => BigInt(String(before._end)) / BUCKET_NS !== BigInt(String(next._end)) / BUCKET_NS,
};

/** The whole rows of these views. */
export function wholeViewsSql(views: readonly StoreRow[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const ends = [...new Set(views.map((view) => BigInt(String(view._end))))];
  // the first part of the table's key: what one list of times cannot tell the index
  const buckets = [...new Set(ends.map((end) => end / BUCKET_NS))].map((bucket) =>
    new Date(Number((bucket * BUCKET_NS) / 1_000_000n)).toISOString().slice(0, 19).replace('T', ' '),
  );
  const conditions = [
    `toStartOfFiveMinutes(t.time) IN ${parameters.bind(buckets, "Array(DateTime('UTC'))")}`,
    `${endNs('t')} IN ${parameters.bind(ends, 'Array(Int64)')}`,
    ofExchanges(views, parameters),
  ];
  const window = { since: earliest(ends), until: latest(ends) + 1n };
  const rows = wholeRowsSql(REQUESTS, { scope, filters: [], ...window }, conditions, parameters);
  const columns = [...shownColumns(REQUESTS.columns), ...stampColumns(rows), ...pairingColumns('t')];
  const sql = `SELECT ${columns.join(', ')} FROM ${rows.from} WHERE ${rows.where}`;
  return { sql, parameters };
}

/**
 * One page of requests, each once, of which only what pairing needs: for orders in which one end's views come long
 * before the other's, so that a page of views could hold nothing that counts.
 */
export function requestsOncePageSql(
  question: Question,
  after: readonly string[] | undefined,
  limit: number,
): BoundQuery {
  const parameters = new Parameters();
  const read = [...[...VIEW_COLUMNS, ...REQUESTS_DEFINITION.key, question.order.by, 'time', 'duration_ns']];
  const source = requestsOnceSql(question, [...new Set(read)], parameters);
  const sql = [
    `SELECT ${viewColumns('t').join(', ')}, ${orderValues(question)} AS ${ORDER_VALUES} FROM ${source} AS t`,
    `WHERE ${after === undefined ? '1' : behind(question, after, parameters)}`,
    `ORDER BY ${orderSql(question)} LIMIT ${parameters.bind(limit, 'UInt64')}`,
  ].join('\n');
  return { sql, parameters };
}
