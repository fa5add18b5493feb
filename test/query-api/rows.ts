/** Rows for the tables, made from a few words. */

/** Begin of the time that tests ask for, in ns since the epoch: an hour ago, on a whole five minutes. */
export const BEGIN = (BigInt(Date.now()) / 300_000n - 12n) * 300_000_000_000n;

export const MS = 1_000_000n;
export const SECOND = 1_000_000_000n;

export const NODE_A = { node: 'node-a', boot_id: '11111111-1111-4111-8111-111111111111' } as const;
export const NODE_B = { node: 'node-b', boot_id: '22222222-2222-4222-8222-222222222222' } as const;

type Row = Record<string, unknown>;

const CONNECTION: Row = {
  cluster: 'test',
  ...NODE_A,
  source_endpoint_id: 1n,
  destination_endpoint_id: 2n,
  socket_cookie: 1000n,
  generation: 0,
  netns: 4026531840,
  source_address: '10.0.0.1',
  destination_address: '10.0.0.2',
  source_port: 40000,
  destination_port: 80,
  protocol: 6,
  observation_point: 'server',
  initiator_known: true,
  application_protocol: 'http1',
  verdict: 'FORWARDED',
  tcp_state: 'established',
  ip_version: 4,
  traffic_direction: 'ingress',
  sample_weight: 1,
};

/** A request that ended `at` ns after BEGIN. Its sequence numbers are drawn from its end, connection and number. */
export function request(at: bigint, more: Row = {}): Row {
  const { source_port = 0, socket_cookie = 0, request_index = 0 } = more as Record<string, number | bigint>;
  const connection = BigInt(source_port) * 65_537n + BigInt(socket_cookie) * 1_000_003n;
  const drawn = at * 2_654_435_761n + connection + BigInt(request_index);
  const status = Number(more.http_status_code ?? 200);
  return {
    ...CONNECTION,
    time: BEGIN + at,
    duration_ns: 5n * MS,
    request_sequence: Number(BigInt.asUintN(32, drawn >> 7n)),
    response_sequence: Number(BigInt.asUintN(32, drawn * 40_503n)),
    request_sent_ns: 1n * MS,
    response_start_ns: 4n * MS,
    request_bytes: 100n,
    response_bytes: 1000n,
    http_status_code: status,
    http_version: 11,
    request_end: 'complete',
    outcome: status >= 500 ? 'server_error' : status >= 400 ? 'client_error' : status === 0 ? 'no_response' : 'ok',
    request_protocol: 'http',
    operation: 'GET',
    resource: '/items/{id}',
    status: status === 0 ? '' : String(status),
    http_host: 'shop.example',
    http_path: '/items/7',
    ...more,
  };
}

/** The client's view of a request: begins `before` ns earlier and ends as much later. */
export function clientView(server: Row, before = MS, more: Row = {}): Row {
  return {
    ...server,
    observation_point: 'client',
    traffic_direction: 'egress',
    socket_cookie: BigInt(String(server.socket_cookie)) + 1n,
    time: BigInt(String(server.time)) + before,
    duration_ns: BigInt(String(server.duration_ns)) + 2n * before,
    ...more,
  };
}

/** A flow row whose interval ended `at` ns after BEGIN. */
export function flow(at: bigint, more: Row = {}): Row {
  return {
    ...CONNECTION,
    time: BEGIN + at,
    duration_ns: 10n * SECOND,
    connection_age_ns: 60n * SECOND,
    bytes_sent: 1000n,
    bytes_acked: 1000n,
    bytes_received: 100n,
    segments_sent: 100,
    segments_received: 90,
    data_segments_sent: 80,
    retransmitted_segments: 4,
    srtt_us: 200,
    min_rtt_us: 150,
    flow_state: 'active',
    command: 'nginx',
    ...more,
  };
}

/** A TCP event `at` ns after BEGIN. */
export function event(at: bigint, more: Row = {}): Row {
  return {
    ...CONNECTION,
    time: BEGIN + at,
    event_kind: 'retransmit',
    retransmit_cause: 'timeout',
    sent_by: 'server',
    segments: 1,
    sequence_begin: 1,
    sequence_end: 1449,
    ...more,
  };
}

/** Verdicts that are alike, told `at` ns after BEGIN: a connection that a rule allowed. */
export function verdict(at: bigint, more: Row = {}): Row {
  return {
    cluster: 'test',
    ...NODE_A,
    time: BEGIN + at,
    duration_ns: SECOND,
    verdict_id: at / SECOND + 1000n,
    policy_verdict: 'allowed',
    policy_mode: 'enforce',
    count: 1n,
    traffic_direction: 'ingress',
    protocol: 6,
    destination_port: 80,
    ...{ namespace: 'shop', workload: 'cart', labels: { app: 'cart' }, identity: 7n },
    ...{ peer_entity: 'pod', peer_namespace: 'shop', peer_workload: 'checkout', peer_identity: 8n },
    ...{ policy_reason: 'rule', policy_kind: 'NetworkPolicy', policy_namespace: 'shop', policy_name: 'cart' },
    ...{ rule_index: 0, rule_path: 'spec.ingress[0]' },
    ...{ source_address: '10.0.0.1', destination_address: '10.0.0.3', source_port: 40000 },
    first_time: BEGIN + at,
    ...more,
  };
}

/** An endpoint that has been there since a day before BEGIN. */
export function endpoint(id: bigint, workload: string, more: Row = {}): Row {
  return {
    endpoint_id: id,
    cluster: 'test',
    node: 'node-a',
    kind: 'unit',
    namespace: '',
    workload,
    name: workload,
    addresses: [`10.0.0.${id}`],
    labels: {},
    valid_from: BEGIN - 86_400n * SECOND,
    valid_to: 9_214_646_400_000_000_000n,
    updated: BEGIN,
    ...more,
  };
}

/** A collector's report `at` ns after BEGIN. */
export function report(at: bigint, more: Row = {}): Row {
  return { cluster: 'test', ...NODE_A, time: BEGIN + at, started: BEGIN - 3600n * SECOND, counters: {}, ...more };
}

/** `since` and `until` of `seconds` from BEGIN on, as a query string. */
export function window(seconds: number, from = 0): string {
  const text = (at: bigint) => `${at / SECOND}.${(at % SECOND).toString().padStart(9, '0')}`;
  return `since=${text(BEGIN + BigInt(from) * SECOND)}&until=${text(BEGIN + BigInt(seconds) * SECOND)}`;
}
