/** Tests of the other alerts about edges: each fires on one edge, is silent on others that are nearly as bad, resolves. */
import { edgeAlert, firesInBetween, RESOLVED, type Scenario } from './scenario.ts';
import { counter, type Edge, type InputSeries, type Phase, requestsOf, segmentsOf, steady, wrong } from './series.ts';

/** A path as workload must be escaped in URLs. */
const BAD: Edge = {
  cluster: 'c',
  source_workload: '/usr/bin/curl',
  destination_namespace: 'shop',
  destination_workload: 'b',
};
const FINE: Edge = { ...BAD, source_workload: 'fine' };
const RARE: Edge = { ...BAD, source_workload: 'rare' };
const NAME = 'From /usr/bin/curl to shop/b';

const seen = (edge: Edge, more: Readonly<Record<string, string>> = {}) => ({
  ...edge,
  observation_point: 'server',
  ...more,
});

const BOUNDS = ['0.5', '1', '2.5', '+Inf'];

/** Durations at a server: so many requests per second up to 0.5 s, and so many from 1 to 2.5 s. */
function durations(edge: Edge, quick: number, slow: readonly Phase[]): InputSeries[] {
  const series = BOUNDS.map((le) =>
    counter(
      'flowspan_http_request_duration_seconds_bucket',
      seen(edge, { outcome: 'ok', le }),
      ...slow.map((phase) => ({ ...phase, rate: quick + (['2.5', '+Inf'].includes(le) ? (phase.rate ?? 0) : 0) })),
    ),
  );
  const all = slow.map((phase) => ({ ...phase, rate: quick + (phase.rate ?? 0) }));
  const requests = counter(
    'flowspan_http_requests_total',
    seen(edge, { outcome: 'ok', http_status_code: '200' }),
    ...all,
  );
  return [...series, requests];
}

/** Connections opened and closed at a server per second, and resets. */
function resets(edge: Edge, closed: number, sent: readonly Phase[], cause = 'fin'): InputSeries[] {
  return [
    counter('flowspan_tcp_connections_closed_total', seen(edge, { close_cause: cause }), ...steady(closed)),
    counter('flowspan_tcp_resets_total', seen(edge, { sent_by: 'server' }), ...sent),
  ];
}

/** Connects at a client: opened and failed per second. */
function connects(edge: Edge, opened: number, failed: readonly Phase[]): InputSeries[] {
  const labels = { ...edge, observation_point: 'client' };
  const succeeded = opened === 0 ? [] : [counter('flowspan_tcp_connections_opened_total', labels, ...steady(opened))];
  return [...succeeded, counter('flowspan_tcp_connects_failed_total', { ...labels, error: 'ECONNREFUSED' }, ...failed)];
}

/** Connection intervals at a server, and the opaque ones of them, per second. */
function intervals(edge: Edge, all: number, opaque: readonly Phase[]): InputSeries[] {
  return [
    counter('flowspan_tcp_connection_intervals_total', seen(edge), ...opaque.map((phase) => ({ ...phase, rate: all }))),
    counter('flowspan_tcp_opaque_connection_intervals_total', seen(edge, { application_protocol: 'tls' }), ...opaque),
  ];
}

const overflows = (edge: Edge, ...phases: readonly Phase[]) =>
  counter('flowspan_tcp_accept_queue_overflows_total', seen(edge), ...phases);

/** Fires on BAD in between. */
const fires = (alert: string, description: string, question: string) =>
  firesInBetween(alert, edgeAlert(alert, BAD, description, question));

export const EDGES: readonly Scenario[] = [
  {
    name: '503 to 6 % of the requests; 4 % is not enough, nor is one request in five seconds',
    series: [
      ...requestsOf(BAD, 'server', 10, wrong(0.6)),
      ...requestsOf(FINE, 'server', 10, wrong(0.4)),
      ...requestsOf(RARE, 'server', 0.2, wrong(0.2)),
    ],
    alerts: fires(
      'FlowspanServerErrors',
      `${NAME} 6% of the requests are answered with 5xx.`,
      'requests?since=15m&outcome=server_error',
    ),
  },
  {
    name: '2 % of the requests take up to 2.5 s; 0.5 % is not enough',
    series: [
      ...durations(BAD, 9.8, wrong(0.2)),
      ...durations(FINE, 9.95, wrong(0.05)),
      ...durations(RARE, 0, wrong(0.2)),
    ],
    // the 99th of a hundred is in the middle of the slowest two: half the bucket from 1 s to 2.5 s
    alerts: fires(
      'FlowspanHighLatency',
      `${NAME} the slowest 1 % of the requests take 1.75s or more.`,
      'requests?since=15m&min_duration=1s&order=-duration_ns',
    ),
  },
  {
    name: 'the server sends 1 % of its segments again, the client none: the worse direction counts',
    series: [
      ...segmentsOf(BAD, 'server', 100, wrong(1)),
      ...segmentsOf(BAD, 'client', 900, steady(0)),
      ...segmentsOf(FINE, 'server', 100, wrong(0.4)),
      ...segmentsOf(RARE, 'server', 1, wrong(0.5)),
    ],
    alerts: fires(
      'FlowspanRetransmits',
      `${NAME} one end sends 1% of its segments again.`,
      'tcp-events?since=15m&kind=retransmit',
    ),
  },
  {
    name: 'every second connection is reset; one of ten is not enough, nor are few, nor resets that refuse connects',
    series: [
      ...resets(BAD, 2, wrong(1)),
      ...resets(FINE, 10, wrong(1)),
      ...resets(RARE, 0.1, wrong(0.05)),
      ...resets({ ...BAD, source_workload: 'refused' }, 2, wrong(2), 'refused'),
      // the client's count of the same resets
      counter('flowspan_tcp_resets_total', { ...BAD, observation_point: 'client', sent_by: 'server' }, ...wrong(1)),
    ],
    alerts: fires(
      'FlowspanResets',
      `${NAME} there are 0.50 resets for each connection that ends.`,
      'tcp-events?since=15m&kind=reset_sent&kind=reset_received',
    ),
  },
  {
    name: 'every connect is refused; one of twenty is not enough, nor is one in a minute',
    series: [...connects(BAD, 0, wrong(1)), ...connects(FINE, 19, wrong(1)), ...connects(RARE, 0, wrong(0.02))],
    alerts: fires(
      'FlowspanConnectFailures',
      `${NAME} 100% of the connects fail.`,
      'tcp-events?since=15m&kind=connect_failed',
    ),
  },
  {
    name: 'every fourth connect is refused',
    series: connects(BAD, 3, wrong(1)),
    alerts: fires(
      'FlowspanConnectFailures',
      `${NAME} 25% of the connects fail.`,
      'tcp-events?since=15m&kind=connect_failed',
    ),
  },
  {
    name: 'two connections a second find the accept queue full; one in 25 s is not enough',
    series: [overflows(BAD, ...wrong(2)), overflows(FINE, ...wrong(0.04))],
    alerts: fires(
      'FlowspanAcceptQueueOverflows',
      `${NAME} 2.00 connections a second find the accept queue full.`,
      'tcp-events?since=15m&kind=accept_overflow',
    ),
  },
  {
    name: 'an edge whose requests could be seen goes over to TLS; one that always was opaque is silent',
    series: [
      ...intervals(BAD, 2, [
        { minutes: 65, rate: 0 },
        { minutes: 75, rate: 2 },
      ]),
      ...intervals(FINE, 2, [{ minutes: 140, rate: 2 }]),
      ...intervals(RARE, 2, [
        { minutes: 65, rate: 0 },
        { minutes: 75, rate: 1 },
      ]),
    ],
    alerts: [
      { minute: RESOLVED, alert: 'FlowspanEdgeWentOpaque', firing: [] },
      {
        minute: 90,
        alert: 'FlowspanEdgeWentOpaque',
        firing: [
          edgeAlert(
            'FlowspanEdgeWentOpaque',
            BAD,
            `${NAME} the requests of 100% of the connections cannot be seen; no error of theirs will be counted.`,
            'flows?since=15m&application_protocol=tls,http2,other',
          ),
        ],
      },
      { minute: 138, alert: 'FlowspanEdgeWentOpaque', firing: [] },
    ],
  },
];
