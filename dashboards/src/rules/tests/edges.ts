/** Tests of the other alerts about edges: each fires on one edge, is silent on others that are nearly as bad, resolves. */
import { zeroWindows } from '../../queries/prometheus.ts';
import { RECORDED } from '../recording.ts';
import { edgeAlert, FIRING, firesInBetween, isSilent, RESOLVED, type Scenario } from './scenario.ts';
import {
  counter,
  type Edge,
  type End,
  type InputSeries,
  type Phase,
  requestsOf,
  segmentsOf,
  seriesName,
  steady,
  wrong,
} from './series.ts';

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
  const count = counter('flowspan_http_request_duration_seconds_count', seen(edge, { outcome: 'ok' }), ...all);
  return [...series, count, requests];
}

/** Connections closed per second as one end saw them, by cause. */
function closes(edge: Edge, end: End, causes: Readonly<Record<string, readonly Phase[]>>): InputSeries[] {
  return Object.entries(causes).map(([close_cause, phases]) =>
    counter('flowspan_tcp_connections_closed_total', { ...edge, observation_point: end, close_cause }, ...phases),
  );
}

/** Resets per second as one end saw them. */
const resets = (edge: Edge, end: End, sent_by: End, ...phases: readonly Phase[]) =>
  counter('flowspan_tcp_resets_total', { ...edge, observation_point: end, sent_by }, ...phases);

/** Connects per second that failed at a client. */
const failures = (edge: Edge, error: string, ...phases: readonly Phase[]) =>
  counter('flowspan_tcp_connects_failed_total', { ...edge, observation_point: 'client', error }, ...phases);

/** Connects at a client: opened and failed per second. */
function connects(edge: Edge, opened: number, failed: readonly Phase[]): InputSeries[] {
  const labels = { ...edge, observation_point: 'client' };
  const succeeded = opened === 0 ? [] : [counter('flowspan_tcp_connections_opened_total', labels, ...steady(opened))];
  return [...succeeded, failures(edge, 'ECONNREFUSED', ...failed)];
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

const RESETS = 'tcp-events?since=15m&kind=reset_sent&kind=reset_received';

/** What a recorded series says of BAD while it is wrong. */
const valueOfBad = (record: string, value: number) => ({
  minute: FIRING,
  expr: seriesName(record, { source_workload: BAD.source_workload }),
  samples: [{ labels: seriesName(record, { ...BAD }), value }],
});

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
    name: '2 % of the requests take up to 2.5 s; 0.5 % is not enough, nor are four of 300',
    series: [
      ...durations(BAD, 9.8, wrong(0.2)),
      ...durations(FINE, 9.95, wrong(0.05)),
      ...durations(RARE, 0, wrong(0.2)),
      ...durations({ ...BAD, source_workload: 'few' }, 0.99, wrong(0.0133)),
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
    name: 'every second connection is reset, as both ends see; one of ten is not enough, nor are few',
    series: [
      ...closes(BAD, 'server', { fin: steady(1), reset: wrong(1) }),
      ...closes(BAD, 'client', { fin: steady(1), reset: wrong(1) }),
      ...closes(FINE, 'server', { fin: steady(9), reset: wrong(1) }),
      ...closes(RARE, 'server', { fin: steady(0.05), reset: wrong(0.05) }),
      ...(['client', 'server'] as const).map((end) => resets(BAD, end, 'server', ...wrong(1))),
    ],
    alerts: fires('FlowspanResets', `${NAME} 50% of the connections that end are reset.`, RESETS),
    values: [valueOfBad(RECORDED.resets, 1), valueOfBad(RECORDED.establishedClosed, 2)],
  },
  {
    name: 'a firewall resets the client alone: the server counts no reset, and no end of a connection',
    series: [
      ...closes(BAD, 'server', { fin: steady(0), reset: steady(0) }),
      ...closes(BAD, 'client', { fin: steady(0), reset: wrong(1) }),
      resets(BAD, 'server', 'server', ...steady(0)),
      resets(BAD, 'client', 'server', ...wrong(1)),
    ],
    alerts: fires('FlowspanResets', `${NAME} 100% of the connections that end are reset.`, RESETS),
    values: [valueOfBad(RECORDED.resets, 1)],
  },
  {
    name: 'half of the connects are refused, by resets, and the other half ends as it should; some time out',
    series: [
      ...closes(BAD, 'server', { fin: steady(1), reset: steady(0) }),
      ...closes(BAD, 'client', { fin: steady(1), reset: steady(0), refused: steady(1), timeout: steady(0.5) }),
      failures(BAD, 'ECONNREFUSED', ...steady(1)),
      failures(BAD, 'ETIMEDOUT', ...steady(0.5)),
      resets(BAD, 'client', 'server', ...steady(1)),
    ],
    alerts: isSilent('FlowspanResets'),
    values: [valueOfBad(RECORDED.establishedClosed, 1), valueOfBad(RECORDED.connectionsReset, 0)],
  },
  {
    name: 'each end counts the windows that the other closed',
    series: [
      counter('flowspan_tcp_zero_windows_total', seen(BAD, { sent_by: 'client' }), ...steady(2)),
      counter(
        'flowspan_tcp_zero_windows_total',
        { ...BAD, observation_point: 'client', sent_by: 'server' },
        ...steady(3),
      ),
    ],
    alerts: [],
    values: [
      valueOfBad(RECORDED.zeroWindows, 5),
      {
        minute: FIRING,
        expr: zeroWindows('5m', { by: ['sent_by'] }),
        samples: [
          { labels: '{sent_by="client"}', value: 2 },
          { labels: '{sent_by="server"}', value: 3 },
        ],
      },
    ],
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
    name: 'two packets of handshakes a second find the accept queue full; one in 25 s is not enough',
    series: [overflows(BAD, ...wrong(2)), overflows(FINE, ...wrong(0.04))],
    alerts: fires(
      'FlowspanAcceptQueueOverflows',
      `${NAME} 2.00 packets of handshakes a second find the accept queue full.`,
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
