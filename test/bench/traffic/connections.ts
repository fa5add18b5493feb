/**
 * Connections with their requests, as SQL: one row per connection, its requests as arrays. Kept alive: from 12 requests
 * (Pareto, shape 1.4) to 1,000; think times of a connection's own mean, 50 ms to 6.4 s, exponential. Requests of 280 to 680
 * bytes of head, two of five with a body (Pareto, shape 1.5); answers of 210 bytes of head and a body (Pareto, shape 1.2).
 */
import { bits, drawn, heavy, share, spread } from './draws.ts';
import { DAY_BEGIN_S, PIECE_S, type Piece } from './shape.ts';
import { clientPod, endpointId, portOf, serverPod, serverWorkload } from './topology.ts';

/** Routes per workload; those with an id in their path that never comes again get 30 % of the requests. */
const ROUTES = 40;
const ROUTES_WITH_ID = [5, 16] as const;

/** Largest segment: what is no larger comes as one packet, and is there at once. */
export const SEGMENT_BYTES = 1_448;

/** Draws of request `r` (64 bits): which route, whether its path has an id, and of which kind. */
const routeOf = (r: string) => `toUInt32(floor(${ROUTES} * pow(${drawn('route', r, 1_000_000)} / 1000000, 2)))`;
const hasId = (route: string) => `(${route} BETWEEN ${ROUTES_WITH_ID[0]} AND ${ROUTES_WITH_ID[1]})`;
const hasLongId = (r: string) => `(${drawn('long', r, 2)} = 0)`;
/** 128 random bits in hex or eight random digits; empty where the path has none. */
export const idSql = (route: string, r: string): string =>
  `multiIf(NOT ${hasId(route)}, '', ${hasLongId(r)}, lower(concat(leftPad(hex(${bits('id1', r)}), 16, '0'), leftPad(hex(${bits('id2', r)}), 16, '0'))), leftPad(toString(${drawn('number', r, 100_000_000)}), 8, '0'))`;
export { hasId };

/** Two of five send a body. */
export const bodyOf = (r: string): string =>
  `if(${drawn('method', r, 5)} < 3, 0, toUInt64(${heavy('request_body', r, 120, 1.5, 10_000_000)}))`;

const array = (value: string) => `arrayMap(r -> ${value}, draws)`;
const before = (sums: string, each: string) => `arrayMap((s, e) -> s - e, arrayCumSum(${each}), ${each}) AS ${sums}`;

/** SELECT of connections with these numbers, in parentheses. Times are nanoseconds since the begin of the day. */
export function connectionsSql({ index, first, count }: Piece): string {
  const pieceNs = PIECE_S * 1e9;
  return `(
    SELECT *, ${before('starts', 'cycles')}, ${before('request_sums', 'request_sizes')}, ${before('response_sums', 'response_sizes')},
      starts[-1] + cycles[-1] + idle_ns AS life_ns
    FROM (
      SELECT *,
        arrayMap(i -> ${bits('request', 'c, i')}, range(toUInt32(${heavy('requests', 'c', 12, 1.4, 1_000)}))) AS draws,
        ${array(routeOf('r'))} AS routes,
        ${array(bodyOf('r'))} AS request_bodies,
        arrayMap((r, route, body) -> head_bytes + if(${hasId('route')}, if(${hasLongId('r')}, 32, 8), 0) + body, draws, routes, request_bodies) AS request_sizes,
        ${array(`toUInt64(210 + ${heavy('response_body', 'r', 150, 1.2, 50_000_000)})`)} AS response_sizes,
        arrayMap((r, route) -> toUInt64(${spread('application', 'r', '1000000 * (1 + route)', 4)}), draws, routes) AS application_times,
        ${array(`toUInt64(${spread('network', 'r', 'network_ns', 1)})`)} AS network_times,
        arrayMap((r, bytes, application, network) -> toUInt64(200000 + bytes + application + network - think_ns * log(${share('think', 'r')})), draws, response_sizes, application_times, network_times) AS cycles
      FROM (
        SELECT number AS c,
          toInt64(${index * pieceNs} + ${drawn('opened', 'number', pieceNs)}) AS opened_ns,
          ${serverWorkload('c')} AS workload,
          ${clientPod('c', 'workload')} AS client,
          ${serverPod('c', 'client', 'workload')} AS server,
          toUInt64(280 + ${drawn('head', 'c', 400)}) AS head_bytes,
          toUInt64(60000 + ${drawn('network', 'client, server', 300_000)}) AS network_ns,
          toUInt64(50000000 * exp2(${drawn('think', 'c', 7_000)} / 1000)) AS think_ns,
          toUInt64(5000000000 + ${drawn('idle', 'c', 55_000_000_000)}) AS idle_ns,
          toUInt16(32768 + ${drawn('port', 'c', 28_232)}) AS port,
          ${bits('sequence', 'c')} AS sequences
        FROM numbers(${first}, ${count})
      )
    )
  )`;
}

/** What rows of a connection say of it, by column, over its columns. */
export const OF_CONNECTION: Readonly<Record<string, string>> = {
  source_endpoint_id: endpointId('client'),
  destination_endpoint_id: endpointId('server'),
  peer_observed: 'true',
  source_port: 'port',
  destination_port: portOf('workload'),
  protocol: '6',
  initiator_known: 'true',
  application_protocol: "'http1'",
  verdict: "'FORWARDED'",
  ip_version: '4',
  sample_weight: '1',
};

/** Time of a row from nanoseconds since the begin of the day. */
export const timeSql = (ns: string): string =>
  `fromUnixTimestamp64Nano(toInt64(${DAY_BEGIN_S}000000000 + ${ns}), 'UTC')`;

/** `INSERT INTO … SELECT` of a model. */
export function insertSql(table: string, model: Readonly<Record<string, string>>, from: string): string {
  return `INSERT INTO ${table} (${Object.keys(model).join(', ')}) ${selectSql(model, from)}`;
}

/** SELECT of a model's columns. */
export function selectSql(model: Readonly<Record<string, string>>, from: string): string {
  return `SELECT ${Object.values(model).join(', ')} FROM ${from}`;
}
