/**
 * Generated traffic of one machine as SQL: requests and flow rows of services that call each other over keep-alive
 * connections, both ends observed. Durations have nanoseconds, client ports are random ephemeral ones, 30 % of the paths
 * hold an id that never comes again, 10 % of the requests carry a random trace id. All numbers are drawn from the seed.
 */

/** SQL expressions by column; columns left out hold their zero. */
export type RowModel = Readonly<Record<string, string>>;

/** Requests per connection; two rows (ends) per request. */
const REQUESTS_PER_CONNECTION = 16;
/** Flow rows per connection and end: opened, four intervals of ten seconds, closed. */
const ROWS_PER_FLOW = 6;
const CONNECTIONS_PER_SECOND = 60;
const SERVICES = 12;
const BEGIN = "toDateTime64('2026-11-02 10:00:00', 9, 'UTC')";

/** Uniform whole number below `limit`, a function of seed, what it is for and which one it is. */
const drawn = (seed: number, what: string, which: string, limit: number | string): string =>
  `(sipHash64(${seed}, '${what}', ${which}) % (${limit}))`;

/** About log-normal: the sum of three uniform numbers as exponent of two, around `median`. */
const spread = (seed: number, what: string, which: string, median: number, doublings: number): string =>
  `exp2(log2(${median}) + ${doublings} * (${[1, 2, 3]
    .map((part) => `${drawn(seed, what + part, which, 100_000)} / 100000`)
    .join(' + ')} - 1.5))`;

/** What rows of one connection share. */
function connectionModel(seed: number, connection: string, server: string): RowModel {
  // The popular services get most: the smaller of two draws.
  const service = `least(${drawn(seed, 's1', connection, SERVICES)}, ${drawn(seed, 's2', connection, SERVICES)})`;
  const caller = drawn(seed, 'caller', connection, 30);
  const local = `if(${server}, 100 + ${service}, ${caller})`;
  return {
    cluster: "'default'",
    node: "'worker-1'",
    boot_id: "toUUID('6c4a7f5e-0b5c-4f6e-9d0a-3a1b2c3d4e5f')",
    source_endpoint_id: `sipHash64('endpoint', ${caller})`,
    destination_endpoint_id: `sipHash64('endpoint', 100 + ${service})`,
    socket_cookie: `toUInt64(1000000 + 2 * ${connection} + ${server})`,
    socket_cgroup_id: `4000 + ${local}`,
    owner_cgroup_id: `4000 + ${local}`,
    source_address: `toIPv6(concat('::ffff:10.244.0.', toString(2 + ${caller})))`,
    destination_address: `toIPv6(concat('::ffff:10.244.0.', toString(102 + ${service})))`,
    netns: `4026532000 + ${local}`,
    pid: `20000 + 37 * ${local}`,
    source_port: `32768 + ${drawn(seed, 'port', connection, 28_232)}`,
    destination_port: `arrayElement([80, 8080, 3000, 8000, 9090, 5000], ${service} % 6 + 1)`,
    protocol: '6',
    observation_point: `if(${server}, 'server', 'client')`,
    initiator_known: 'true',
    application_protocol: "'http1'",
    verdict: "'FORWARDED'",
    tcp_state: "'established'",
    ip_version: '4',
    traffic_direction: `if(${server}, 'ingress', 'egress')`,
    sample_weight: '1',
  };
}

/** Rows of `requests`; row `number` of numbers(). */
export function requestModel(seed: number): RowModel {
  const server = '(number % 2)';
  const request = 'intDiv(number, 2)';
  const connection = `intDiv(${request}, ${REQUESTS_PER_CONNECTION})`;
  const index = `(${request} % ${REQUESTS_PER_CONNECTION})`;
  const startNs = `toInt64(${connection} * ${1e9 / CONNECTIONS_PER_SECOND} + ${index} * 40000000 + ${drawn(seed, 'start', request, 40_000_000)})`;
  const applicationNs = `toUInt64(${spread(seed, 'application', request, 4_000_000, 3)})`;
  const networkNs = `toUInt64(${spread(seed, 'network', request, 80_000, 2)})`;
  const sentNs = `(20000 + ${drawn(seed, 'sent', 'number', 30_000)})`;
  const readNs = `(${sentNs} + 5000 + ${drawn(seed, 'read', 'number', 60_000)})`;
  const transferNs = `(10000 + ${drawn(seed, 'transfer', 'number', 400_000)})`;
  const responseNs = `(${readNs} + ${applicationNs} + if(${server}, 0, ${networkNs}))`;
  const durationNs = `(${responseNs} + ${transferNs})`;
  const kind = drawn(seed, 'kind', request, 100);
  const route = drawn(seed, 'route', request, 8);
  const words = "['orders', 'carts', 'users', 'items', 'sessions', 'payments', 'shipments', 'invoices']";
  const word = `arrayElement(${words}, ${route} + 1)`;
  const unique = `${kind} < 30`;
  const uniqueId = `if(${kind} < 15, lower(hex(sipHash128(${seed}, 'id', ${request}))), toString(${drawn(seed, 'number', request, 100_000_000)}))`;
  const statusDraw = drawn(seed, 'status', request, 1000);
  const status = `multiIf(${statusDraw} < 930, 200, ${statusDraw} < 955, 304, ${statusDraw} < 985, 404, ${statusDraw} < 993, 500, 503)`;
  const traced = `(${drawn(seed, 'traced', request, 10)} = 0)`;
  const headBytes = `(280 + ${drawn(seed, 'head', connection, 400)} + length(${uniqueId}))`;
  const requestBody = `if(${kind} % 5 = 0, toUInt64(${spread(seed, 'request_body', request, 600, 2)}), 0)`;
  const responseBody = `toUInt64(${spread(seed, 'response_body', request, 2500, 3)})`;
  const lossy = `(${drawn(seed, 'lossy', request, 200)} = 0)`;
  /** Where a stream begins is random; it goes on by the bytes of what was sent before, the same at both ends. */
  const sequence = (what: string, bytes: number, doublings: number) =>
    `toUInt32(bitAnd(${drawn(seed, what, connection, 2 ** 32)} + arraySum(i -> toUInt64(${spread(seed, what, `(${connection}, i)`, bytes, doublings)}), range(${index})), 4294967295))`;
  return {
    ...connectionModel(seed, connection, server),
    peer_observed: 'true',
    request_sequence: sequence('request_sequence', 600, 0.7),
    response_sequence: sequence('response_sequence', 2700, 3),
    time: `${BEGIN} + toIntervalNanosecond(${startNs} + ${durationNs})`,
    duration_ns: durationNs,
    request_sent_ns: sentNs,
    application_read_ns: `if(${server}, ${readNs}, 0)`,
    response_start_ns: responseNs,
    request_bytes: `${headBytes} + ${requestBody}`,
    response_bytes: `210 + ${responseBody}`,
    request_body_bytes: requestBody,
    response_body_bytes: responseBody,
    request_index: index,
    retransmitted_segments: `if(${lossy}, 1, 0)`,
    fast_retransmits: `if(${lossy} AND ${kind} % 2 = 0, 1, 0)`,
    srtt_us: `60 + ${drawn(seed, 'srtt', 'number', 80)}`,
    max_rtt_us: `90 + ${drawn(seed, 'max_rtt', 'number', 200)}`,
    http_status_code: status,
    http_version: '1',
    request_end: "'complete'",
    outcome: `multiIf(${status} >= 500, 'server_error', ${status} >= 400, 'client_error', 'ok')`,
    has_trace: traced,
    trace_flags: `if(${traced}, 1, 0)`,
    trace_id: `if(${traced}, toFixedString(unhex(hex(sipHash128(${seed}, 'trace', ${request}))), 16), toFixedString('', 16))`,
    parent_span_id: `if(${traced}, toFixedString(substring(unhex(hex(sipHash128(${seed}, 'span', ${request}))), 1, 8), 8), toFixedString('', 8))`,
    request_protocol: "'http'",
    operation: `arrayElement(['GET', 'GET', 'GET', 'POST', 'PUT'], ${kind} % 5 + 1)`,
    resource: `if(${unique}, concat('/api/v1/', ${word}, '/{id}'), concat('/api/v1/', ${word}, '/list'))`,
    status: `toString(${status})`,
    error_type: `if(${status} >= 500, toString(${status}), '')`,
    http_host: `concat('svc-', toString(least(${drawn(seed, 's1', connection, SERVICES)}, ${drawn(seed, 's2', connection, SERVICES)})), '.shop.internal')`,
    http_path: `if(${unique}, concat('/api/v1/', ${word}, '/', ${uniqueId}), concat('/api/v1/', ${word}, '/list'))`,
    http_query: `if(${kind} % 4 = 3, 'page=REDACTED&sort=REDACTED', '')`,
  };
}

/** Rows of `flows`; row `number` of numbers(). */
export function flowModel(seed: number): RowModel {
  const server = '(number % 2)';
  const flow = 'intDiv(number, 2)';
  const connection = `intDiv(${flow}, ${ROWS_PER_FLOW})`;
  const index = `(${flow} % ${ROWS_PER_FLOW})`;
  const last = `(${index} = ${ROWS_PER_FLOW - 1})`;
  const openedNs = `toInt64(${connection} * ${1e9 / CONNECTIONS_PER_SECOND} + ${drawn(seed, 'opened', connection, 16_000_000)})`;
  const tickNs = `(10000000000 + ${drawn(seed, 'tick', 'number', 3_000_000)})`;
  const toTick = `(${drawn(seed, 'phase', connection, 10_000)} * 1000000)`;
  const atNs = `(${openedNs} + multiIf(${index} = 0, 0, ${index} = 1, ${toTick} + ${drawn(seed, 'tick', 'number', 3_000_000)}, ${toTick} + (${index} - 1) * 10000000000 + ${drawn(seed, 'tick', 'number', 3_000_000)}))`;
  const durationNs = `multiIf(${index} = 0, ${drawn(seed, 'connect', 'number', 90_000)}, ${index} = 1, ${toTick} + 1, ${last}, ${drawn(seed, 'rest', 'number', 10_000_000_000)}, ${tickNs})`;
  const idle = `(${index} = 0 OR ${drawn(seed, 'idle', flow, 100)} < 25)`;
  const clientBytes = `if(${idle}, 0, toUInt64(${spread(seed, 'client_bytes', flow, 3000, 3)}))`;
  const serverBytes = `if(${idle}, 0, toUInt64(${spread(seed, 'server_bytes', flow, 30_000, 3)}))`;
  const sent = `if(${server}, ${serverBytes}, ${clientBytes})`;
  const received = `if(${server}, ${clientBytes}, ${serverBytes})`;
  const segments = (bytes: string) => `toUInt32(ceil(${bytes} / 1448))`;
  const lossy = `(NOT ${idle} AND ${drawn(seed, 'loss', flow, 100)} = 0)`;
  return {
    ...connectionModel(seed, connection, server),
    peer_observed: 'true',
    time: `${BEGIN} + toIntervalNanosecond(${atNs})`,
    duration_ns: durationNs,
    connection_age_ns: `toUInt64(${atNs} - ${openedNs})`,
    connect_ns: `40000 + ${drawn(seed, 'connect_ns', `(${connection}, ${server})`, 120_000)}`,
    bytes_sent: sent,
    bytes_acked: sent,
    bytes_received: received,
    bytes_retransmitted: `if(${lossy}, 1448, 0)`,
    busy_us: `if(${idle}, 0, 200 + ${drawn(seed, 'busy', 'number', 20_000)})`,
    interval_index: index,
    segments_sent: `${segments(sent)} + ${segments(received)} + 1`,
    segments_received: `${segments(sent)} + ${segments(received)} + 1`,
    data_segments_sent: segments(sent),
    data_segments_received: segments(received),
    retransmitted_segments: `if(${lossy}, 1, 0)`,
    lost_segments: `if(${lossy}, 1, 0)`,
    delivered_segments: `${segments(sent)} + 1`,
    tail_loss_probes: `if(${lossy} AND number % 3 = 0, 1, 0)`,
    srtt_us: `60 + ${drawn(seed, 'srtt', 'number', 80)}`,
    min_rtt_us: `20 + ${drawn(seed, 'min_rtt', `(${connection}, ${server})`, 30)}`,
    rttvar_us: `10 + ${drawn(seed, 'rttvar', 'number', 60)}`,
    cwnd_segments: `10 + ${drawn(seed, 'cwnd', `(${connection}, ${server})`, 4)} * 8`,
    reordering_segments: '3',
    mss_bytes: '1448',
    tcp_state: `if(${last}, 'close', 'established')`,
    flow_state: `multiIf(${index} = 0, 'opened', ${last}, 'closed', 'active')`,
    close_cause: `if(${last}, 'fin', 'none')`,
    closed_by: `if(${last}, 'client', 'none')`,
    command: `if(${server}, 'gunicorn', 'envoy')`,
  };
}
