/** Tests of FlowspanRetransmitsWithServerErrors: it fires where both happen on the same edge, and nowhere else. */
import { edgeAlert, FIRING, firesInBetween, isSilent, RESOLVED, type Scenario } from './scenario.ts';
import { counter, type Edge, type Phase, requestsOf, segmentsOf, steady, WELL, WRONG, wrong } from './series.ts';

const ALERT = 'FlowspanRetransmitsWithServerErrors';
const A_TO_B: Edge = { cluster: 'c', source_namespace: 'shop', source_workload: 'a', destination_workload: 'b' };
const C_TO_B: Edge = { ...A_TO_B, source_workload: 'c' };
const A_TO_D: Edge = { ...A_TO_B, destination_workload: 'd' };

/** Per second: requests, segments of one end; 10 % errors and 2 % sent again are wrong. */
const REQUESTS = 10;
const SEGMENTS = 50;
const ERRORS = 1;
const AGAIN = 1;

const described = (name: string) =>
  `From ${name} 10% of the requests are answered with 5xx, and up to 2% of one end's segments are sent again.`;
const QUESTION = 'requests?since=15m&outcome=server_error&order=-duration_ns';
const onAToB = edgeAlert(ALERT, A_TO_B, described('shop/a to b'), QUESTION);

/** Loss and errors of an edge for as long as given. */
const both = (edge: Edge, errors: readonly Phase[], again: readonly Phase[]) => [
  ...requestsOf(edge, 'server', REQUESTS, errors),
  ...segmentsOf(edge, 'server', SEGMENTS, again),
];

/** Both, of which one or the other stands still. */
const lossAlone = (edge: Edge) => both(edge, steady(0), wrong(AGAIN));
const errorsAlone = (edge: Edge) => both(edge, wrong(ERRORS), steady(0));

const ended: Phase[] = [{ minutes: WRONG, rate: 1 }, { minutes: WELL }];

export const CORRELATED: readonly Scenario[] = [
  {
    name: 'loss and 503 on A to B',
    series: both(A_TO_B, wrong(ERRORS), wrong(AGAIN)),
    alerts: firesInBetween(ALERT, onAToB),
  },
  { name: 'loss alone', series: lossAlone(A_TO_B), alerts: isSilent(ALERT) },
  { name: '503 alone', series: errorsAlone(A_TO_B), alerts: isSilent(ALERT) },
  {
    name: 'loss on A to B, 503 on C to B',
    series: [...lossAlone(A_TO_B), ...errorsAlone(C_TO_B)],
    alerts: isSilent(ALERT),
  },
  {
    name: 'loss on A to B, 503 on A to D',
    series: [...lossAlone(A_TO_B), ...errorsAlone(A_TO_D)],
    alerts: isSilent(ALERT),
  },
  {
    name: 'loss on A to B in one cluster, 503 on A to B in another',
    series: [...lossAlone(A_TO_B), ...errorsAlone({ ...A_TO_B, cluster: 'other' })],
    alerts: isSilent(ALERT),
  },
  {
    name: 'the error comes before the loss: it fires when both are there, and ends with the first that ends',
    series: both(
      A_TO_B,
      [
        { minutes: 20, rate: ERRORS },
        { minutes: 40, rate: 0 },
      ],
      [
        { minutes: 10, rate: 0 },
        { minutes: 50, rate: AGAIN },
      ],
    ),
    alerts: [
      { minute: 9, alert: ALERT, firing: [] },
      { minute: 19, alert: ALERT, firing: [onAToB] },
      { minute: 35, alert: ALERT, firing: [] },
    ],
  },
  {
    name: 'too few requests to speak of a ratio: 0.4 a second, all of them 503',
    series: [
      ...requestsOf(A_TO_B, 'server', 0.4, wrong(0.4, 0)),
      ...segmentsOf(A_TO_B, 'server', SEGMENTS, wrong(AGAIN)),
    ],
    alerts: isSilent(ALERT),
  },
  {
    name: 'too few segments to speak of a ratio: 1 a second, a tenth of them sent again',
    series: [...requestsOf(A_TO_B, 'server', REQUESTS, wrong(ERRORS)), ...segmentsOf(A_TO_B, 'server', 1, wrong(0.1))],
    alerts: isSilent(ALERT),
  },
  {
    name: 'four segments sent again in five minutes: 0.53 % of 750, but no more than four',
    series: [
      ...requestsOf(A_TO_B, 'server', REQUESTS, wrong(ERRORS)),
      ...segmentsOf(A_TO_B, 'server', 2.5, wrong(4 / 300)),
    ],
    alerts: isSilent(ALERT),
  },
  {
    name: 'an end without a name stands for many: loss to one of them, 503 to another',
    series: ['unknown', '_overflow'].flatMap((workload) => [
      ...both({ ...A_TO_B, source_workload: workload }, wrong(ERRORS), wrong(AGAIN)),
      ...both({ ...A_TO_B, destination_workload: workload }, wrong(ERRORS), wrong(AGAIN)),
    ]),
    alerts: isSilent(ALERT),
  },
  {
    name: 'an edge that ends while it is wrong: its series go, the alert goes after keep_firing_for',
    series: both(A_TO_B, ended, ended),
    alerts: [
      { minute: FIRING, alert: ALERT, firing: [onAToB] },
      { minute: 45, alert: ALERT, firing: [] },
      { minute: RESOLVED, alert: ALERT, firing: [] },
    ],
  },
  {
    name: 'the collector starts again while it is wrong: counters begin at 0, nothing is counted backwards',
    series: both(
      A_TO_B,
      [
        { minutes: 20, rate: ERRORS },
        { minutes: 10, rate: ERRORS, reset: true },
        { minutes: WELL, rate: 0 },
      ],
      [
        { minutes: 20, rate: AGAIN },
        { minutes: 10, rate: AGAIN, reset: true },
        { minutes: WELL, rate: 0 },
      ],
    ),
    alerts: firesInBetween(ALERT, onAToB),
  },
  {
    name: 'the collector starts again where all is well',
    series: both(
      A_TO_B,
      [
        { minutes: 20, rate: 0 },
        { minutes: 40, rate: 0, reset: true },
      ],
      [
        { minutes: 20, rate: 0 },
        { minutes: 40, rate: 0, reset: true },
      ],
    ),
    alerts: [21, 23, 25].map((minute) => ({ minute, alert: ALERT, firing: [] })),
  },
  {
    name: 'both ends observed: each request once; segments of each end for themselves',
    series: [
      ...both(A_TO_B, wrong(ERRORS), wrong(AGAIN)),
      ...requestsOf(A_TO_B, 'client', REQUESTS, wrong(ERRORS)),
      ...segmentsOf(A_TO_B, 'client', SEGMENTS, steady(0)),
    ],
    alerts: firesInBetween(ALERT, onAToB),
    values: [
      {
        minute: FIRING,
        expr: 'edge:flowspan_http_requests:rate5m',
        samples: [{ labels: of('edge:flowspan_http_requests:rate5m'), value: REQUESTS }],
      },
      {
        minute: FIRING,
        expr: 'edge:flowspan_tcp_retransmitted_segments_per_segments:ratio_rate5m',
        samples: [{ labels: of('edge:flowspan_tcp_retransmitted_segments_per_segments:ratio_rate5m'), value: 0.01 }],
      },
    ],
  },
  {
    name: 'only the client observed: its requests and its segments count',
    series: [
      ...requestsOf(A_TO_B, 'client', REQUESTS, wrong(ERRORS)),
      ...segmentsOf(A_TO_B, 'client', SEGMENTS, wrong(AGAIN)),
    ],
    alerts: firesInBetween(ALERT, onAToB),
  },
  {
    name: 'the server saw no error; what the client counted as such does not count beside it',
    series: [
      counter(
        'flowspan_http_requests_total',
        { ...A_TO_B, observation_point: 'server', outcome: 'ok', http_status_code: '200' },
        ...steady(REQUESTS),
      ),
      ...requestsOf(A_TO_B, 'client', REQUESTS, wrong(ERRORS)),
      ...segmentsOf(A_TO_B, 'server', SEGMENTS, wrong(AGAIN)),
    ],
    alerts: isSilent(ALERT),
  },
  {
    name: 'two collectors, one for each end, and two servers: instance and node are summed away',
    series: [
      ...['n1', 'n2'].flatMap((instance) =>
        [
          ...requestsOf(A_TO_B, 'server', REQUESTS / 2, wrong(ERRORS / 2)),
          ...segmentsOf(A_TO_B, 'server', SEGMENTS / 2, wrong(AGAIN / 2)),
        ].map(({ series, values }) => ({ series: series.replace('{', `{instance="${instance}",`), values })),
      ),
    ],
    alerts: firesInBetween(ALERT, onAToB),
    values: [
      {
        minute: FIRING,
        expr: 'edge:flowspan_http_requests:rate5m',
        samples: [{ labels: of('edge:flowspan_http_requests:rate5m'), value: REQUESTS }],
      },
    ],
  },
];

/** The sample's name with the labels of A to B. */
function of(record: string): string {
  return `${record}{cluster="c",destination_workload="b",source_namespace="shop",source_workload="a"}`;
}
