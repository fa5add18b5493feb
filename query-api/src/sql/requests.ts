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
import { connectionHash, endNs, startNs } from './conditions.ts';
import { OTHER_END_WITHIN_NS } from './exchange.ts';
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

const BUCKET_S = 300n;

/** Begins of the five-minute buckets (the first part of the table's key) in which the other ends of the rows lie. */
function bucketsAround(rows: readonly StoreRow[]): string[] {
  const buckets = new Set<bigint>();
  for (const row of rows) {
    const end = BigInt(String(row._end));
    for (const time of [end - OTHER_END_WITHIN_NS, end + OTHER_END_WITHIN_NS]) {
      buckets.add(time / 1_000_000_000n / BUCKET_S);
    }
  }
  return [...buckets].map((bucket) =>
    new Date(Number(bucket * BUCKET_S) * 1000).toISOString().slice(0, 19).replace('T', ' '),
  );
}

/** The rows of all ends of the connections of these rows, around the time of each. */
export function otherEndsSql(rows: readonly StoreRow[], scope: Scope): BoundQuery {
  const parameters = new Parameters();
  const { from, condition } = scoped(scope, REQUESTS.name, 't', parameters);
  const ports = [...new Set(rows.map((row) => row.source_port))];
  const connections = [...new Set(rows.map((row) => BigInt(String(row._connection))))];
  const sql = [
    `SELECT ${[...shownColumns(REQUESTS.columns), ...pairingColumns('t')].join(', ')}`,
    `FROM ${from}`,
    `WHERE ${condition} AND toStartOfFiveMinutes(t.time) IN ${parameters.bind(bucketsAround(rows), "Array(DateTime('UTC'))")}`,
    `AND t.source_port IN ${parameters.bind(ports, 'Array(UInt16)')}`,
    `AND ${connectionHash('t')} IN ${parameters.bind(connections, 'Array(UInt64)')}`,
  ].join('\n');
  return { sql, parameters };
}
