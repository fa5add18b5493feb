/**
 * Rows of `requests`: every request as the client saw it and as the server did. 93 % end with 200; one in ten has a
 * traceparent of random ids; one in 200 meets a retransmit. What fits a segment is there at once; more takes its time.
 */
import { connectionsSql, hasId, idSql, OF_CONNECTION, SEGMENT_BYTES, selectSql, timeSql } from './connections.ts';
import { bits, drawn, pick } from './draws.ts';
import type { Piece } from './shape.ts';
import {
  clockOffsetNs,
  namespaceSql,
  nodeOf,
  observedEnd,
  podAddress,
  serviceAddress,
  workloadSql,
} from './topology.ts';

const NOUNS = ['orders', 'carts', 'users', 'items', 'sessions', 'payments', 'shipments', 'invoices'];
const PARTS = ['list', 'details', 'status', 'history', 'summary', 'labels', 'search', 'export', 'limits', 'notes'];
/** Bytes that a sender's first window brings at once. */
const WINDOW_BYTES = 14_480;

const serverEnd = "(observed = 'server')";
/** Path of a route before its id. */
const PATH = `concat('/api/v', toString(1 + route % 2), '/', ${pick(NOUNS, 'route')}, '/', ${pick(PARTS, 'intDiv(route, 4) + workload')})`;
/** Nanoseconds that bytes beyond the first packet take: 1 to 3 per byte. */
const transfer = (what: string, bytes: string, atOnce: string) =>
  `if(${bytes} <= ${atOnce}, 0, toUInt64((${bytes} - ${atOnce}) * (1 + ${drawn(what, 'r, observed', 2000)} / 1000) + ${drawn(`${what}_begin`, 'r, observed', 20_000)}))`;

const TRACED = `(${drawn('traced', 'r', 10)} = 0)`;
const LOSSY = `(${drawn('lossy', 'r', 200)} = 0)`;
const STATUS_DRAW = drawn('status', 'r', 1000);

/** Columns by name, over the connection's columns and those of one request at one end. */
export const REQUEST_MODEL: Readonly<Record<string, string>> = {
  time: timeSql(
    `opened_ns + start + if(${serverEnd}, intDiv(network, 2), 0) + duration + ${clockOffsetNs('node_number')}`,
  ),
  ...OF_CONNECTION,
  ...observedEnd('observed_pod'),
  source_basis: `if(${serverEnd}, 'address', 'cgroup')`,
  destination_basis: `if(${serverEnd}, 'cgroup', 'address')`,
  service_namespace: `if(${serverEnd}, '', ${namespaceSql('workload')})`,
  service_name: `if(${serverEnd}, '', ${workloadSql('workload')})`,
  backend_address: `if(${serverEnd}, toIPv6('::'), ${podAddress('server')})`,
  backend_port: `if(${serverEnd}, 0, ${OF_CONNECTION.destination_port})`,
  source_address: podAddress('client'),
  destination_address: `if(${serverEnd}, ${podAddress('server')}, ${serviceAddress('workload')})`,
  socket_cookie: `1000000 + 2 * c + ${serverEnd}`,
  observation_point: 'observed',
  traffic_direction: `if(${serverEnd}, 'ingress', 'egress')`,
  tcp_state: "'established'",
  duration_ns: 'duration',
  request_sent_ns: 'sent',
  application_read_ns: `if(${serverEnd}, read, 0)`,
  response_start_ns: 'response_start',
  request_bytes: 'request_size',
  response_bytes: 'response_size',
  request_body_bytes: 'request_body',
  response_body_bytes: 'response_size - 210',
  request_sequence: 'toUInt32(bitAnd(sequences + request_sum, 4294967295))',
  response_sequence: 'toUInt32(bitAnd(bitShiftRight(sequences, 32) + response_sum, 4294967295))',
  request_index: 'toUInt32(i - 1)',
  retransmitted_segments: `if(${LOSSY}, 1, 0)`,
  fast_retransmits: `if(${LOSSY} AND ${drawn('fast', 'r', 2)} = 0, 1, 0)`,
  srtt_us: `toUInt32(intDiv(network_ns, 1000) + ${drawn('srtt', 'r, observed', 80)})`,
  max_rtt_us: `toUInt32(intDiv(network_ns, 1000) + 80 + ${drawn('max_rtt', 'r, observed', 200)})`,
  http_status_code: 'code',
  http_version: '11',
  request_end: "'complete'",
  outcome: "multiIf(code >= 500, 'server_error', code >= 400, 'client_error', 'ok')",
  has_trace: TRACED,
  trace_flags: `toUInt8(${TRACED})`,
  trace_id: `if(${TRACED}, toFixedString(concat(reinterpretAsFixedString(${bits('trace1', 'r')}), reinterpretAsFixedString(${bits('trace2', 'r')})), 16), toFixedString('', 16))`,
  parent_span_id: `if(${TRACED}, reinterpretAsFixedString(${bits('span', 'r')}), toFixedString('', 8))`,
  request_protocol: "'http'",
  operation: `if(request_body > 0, ${pick(['POST', 'PUT'], 'route')}, 'GET')`,
  resource: `if(${hasId('route')}, concat(${PATH}, '/{id}'), ${PATH})`,
  status: 'toString(code)',
  error_type: "if(code >= 500, toString(code), '')",
  http_host: `concat(${workloadSql('workload')}, '.', ${namespaceSql('workload')}, '.svc.cluster.local')`,
  http_path: `if(${hasId('route')}, concat(${PATH}, '/', ${idSql('route', 'r')}), ${PATH})`,
  http_query: "if(route % 4 = 3, 'page=REDACTED&sort=REDACTED', '')",
};

/** One row per request and end, with what the model speaks of. */
function requestsOf(piece: Piece): string {
  return `(
    SELECT *, if(observed = 'client', client, server) AS observed_pod, ${nodeOf('observed_pod')} AS node_number,
      ${transfer('sent', 'request_size', String(SEGMENT_BYTES))} AS sent,
      sent + 5000 + ${drawn('read', 'r', 60_000)} AS read,
      toUInt64(read + application + if(${serverEnd}, 0, network)) AS response_start,
      response_start + ${transfer('transfer', 'response_size', `if(${serverEnd}, ${WINDOW_BYTES}, ${SEGMENT_BYTES})`)} AS duration,
      multiIf(${STATUS_DRAW} < 930, 200, ${STATUS_DRAW} < 955, 304, ${STATUS_DRAW} < 985, 404, ${STATUS_DRAW} < 993, 500, 503) AS code
    FROM (
      SELECT c, opened_ns, workload, client, server, network_ns, port, sequences, r, i, route, request_body, request_size, response_size,
        application, network, start, request_sum, response_sum, arrayJoin(['client', 'server']) AS observed
      FROM ${connectionsSql(piece)}
      ARRAY JOIN draws AS r, arrayEnumerate(draws) AS i, routes AS route, request_bodies AS request_body, request_sizes AS request_size,
        response_sizes AS response_size, application_times AS application, network_times AS network, starts AS start,
        request_sums AS request_sum, response_sums AS response_sum
    )
  )`;
}

/** SELECT of the rows of a piece, columns as in REQUEST_MODEL. */
export const requestsSql = (piece: Piece): string => selectSql(REQUEST_MODEL, requestsOf(piece));
