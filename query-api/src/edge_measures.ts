/**
 * What is told of an edge. Both ends may have seen the same: c_… is what the client's end added up, s_… what the
 * server's did, b_… what both did together, all per pair of endpoints. A fact counts once: as the server saw it where that end was observed, else
 * as the client did; what only clients saw (requests that never arrived) counts besides.
 */
import { histogramQuantileSql } from '../../store/histogram.ts';
import { type EdgeAggregate, OPAQUE_PROTOCOLS } from '../../store/rollups.ts';
import { FAILED_OUTCOMES } from '../../store/tables.ts';

const OUTCOMES = [...FAILED_OUTCOMES, 'unknown', 'ok', 'client_error'];
const total = (side: string, outcomes: readonly string[]) =>
  `(${outcomes.map((outcome) => `${side}_requests_${outcome}`).join(' + ')})`;
const beyond = (more: string, less: string) => `toUInt64(if(${more} > ${less}, ${more} - ${less}, 0))`;

const [C_ALL, S_ALL, C_ERRORS, S_ERRORS] = [
  total('c', OUTCOMES),
  total('s', OUTCOMES),
  total('c', FAILED_OUTCOMES),
  total('s', FAILED_OUTCOMES),
];
const ONLY_CLIENT = beyond(C_ALL, S_ALL);
const SERVER_FLOWS = '(s_segments_from_client + s_segments_from_server > 0)';
const CLIENT_FLOWS = '(c_segments_from_client + c_segments_from_server > 0)';

const byServer = (name: string) => `if(${SERVER_FLOWS}, s_${name}, c_${name})`;
const byClient = (name: string) => `if(${CLIENT_FLOWS}, c_${name}, s_${name})`;
const byBoth = (name: string) => `b_${name}`;

/** A number of one pair of endpoints, counted once, and how those of several pairs are put together. */
export interface EdgeCount {
  readonly name: string;
  readonly of: string;
  readonly merge: EdgeAggregate['merge'];
}

/** All numbers that measures are made of. */
export const EDGE_COUNTS: readonly EdgeCount[] = [
  { name: 'n_requests', of: `if(${S_ALL} = 0, ${C_ALL}, ${S_ALL} + ${ONLY_CLIENT})`, merge: 'sum' },
  {
    name: 'n_errors',
    of: `if(${S_ALL} = 0, ${C_ERRORS}, ${S_ERRORS} + least(${ONLY_CLIENT}, ${beyond(C_ERRORS, S_ERRORS)}))`,
    merge: 'sum',
  },
  { name: 'n_client_errors', of: `if(${S_ALL} = 0, c_requests_client_error, s_requests_client_error)`, merge: 'sum' },
  { name: 'n_timed', of: `if(${S_ALL} = 0, ${C_ALL}, ${S_ALL})`, merge: 'sum' },
  { name: 'n_duration', of: `if(${S_ALL} = 0, c_duration_ns_sum, s_duration_ns_sum)`, merge: 'sum' },
  { name: 'n_histogram', of: `if(${S_ALL} = 0, c_duration_ns_histogram, s_duration_ns_histogram)`, merge: 'sumMap' },
  { name: 'n_opened', of: byServer('connections_opened'), merge: 'sum' },
  { name: 'n_closed', of: byServer('connections_closed'), merge: 'sum' },
  { name: 'n_failed', of: 'greatest(c_connections_failed, s_connections_failed)', merge: 'sum' },
  { name: 'n_from_client', of: byServer('bytes_from_client'), merge: 'sum' },
  { name: 'n_from_server', of: byClient('bytes_from_server'), merge: 'sum' },
  { name: 'n_segments', of: 'c_segments_from_client + s_segments_from_server', merge: 'sum' },
  {
    name: 'n_retransmitted',
    of: 'c_retransmitted_segments_from_client + s_retransmitted_segments_from_server',
    merge: 'sum',
  },
  { name: 'n_srtt', of: byBoth('srtt_us_sum'), merge: 'sum' },
  { name: 'n_srtt_samples', of: byBoth('srtt_samples'), merge: 'sum' },
  { name: 'n_srtt_max', of: byBoth('srtt_us_max'), merge: 'max' },
  { name: 'n_min_rtt', of: byBoth('min_rtt_us'), merge: 'min' },
  ...OPAQUE_PROTOCOLS.map((carried) => ({
    name: `n_opaque_${carried}`,
    of: `greatest(c_opaque_${carried}, s_opaque_${carried})`,
    merge: 'sum' as const,
  })),
  ...['retransmit', 'reset_sent', 'reset_received', 'drop', 'zero_window', 'accept_overflow'].map((kind) => ({
    name: `n_events_${kind}`,
    of: byBoth(`events_${kind}`),
    merge: 'sum' as const,
  })),
];

/** One number about an edge, or about several that are grouped. */
export interface EdgeMeasure {
  readonly name: string;
  /** SQL over EDGE_COUNTS. `{seconds}` stands for the length of the time. */
  readonly expression: string;
  /** 64-bit integers are JSON strings. */
  readonly json: 'string' | 'number';
  readonly doc: string;
}

const count = (name: string, expression: string, doc: string): EdgeMeasure => ({
  name,
  expression,
  json: 'string',
  doc,
});
const figure = (name: string, expression: string, doc: string): EdgeMeasure => ({
  name,
  expression,
  json: 'number',
  doc,
});
const quantile = (word: string, level: number) =>
  figure(
    `${word}_duration_ns`,
    `round(${histogramQuantileSql('n_histogram', level)})`,
    `Quantile ${level} of the duration of requests, at most 2.2 % off. Unit: ns.`,
  );

/** What /v1/edges tells of each edge. */
export const EDGE_MEASURES: readonly EdgeMeasure[] = [
  count('requests', 'n_requests', 'Requests, each once.'),
  figure('request_rate_per_s', 'n_requests / {seconds}', 'Requests per second.'),
  count('errors', 'n_errors', 'Requests with outcome server_error, no_response or refused.'),
  figure('error_ratio', 'n_errors / nullIf(n_requests, 0)', 'errors per requests, 0 to 1; null without requests.'),
  count('client_errors', 'n_client_errors', 'Requests with outcome client_error.'),
  quantile('p50', 0.5),
  quantile('p90', 0.9),
  quantile('p95', 0.95),
  quantile('p99', 0.99),
  figure('avg_duration_ns', 'n_duration / nullIf(n_timed, 0)', 'Mean duration of requests. Unit: ns.'),
  ...OPAQUE_PROTOCOLS.map((carried) =>
    count(
      `opaque_${carried}`,
      `n_opaque_${carried}`,
      `Intervals of connections that carried ${carried}: their requests cannot be seen, and are not in requests.`,
    ),
  ),
  count('connections_opened', 'n_opened', 'Connections established (UDP: first seen).'),
  count('connections_closed', 'n_closed', 'Connections that ended.'),
  count('connections_failed', 'n_failed', 'Connects that came to nothing.'),
  count('bytes_from_client', 'n_from_client', 'Payload from client to server, each byte once. Unit: bytes.'),
  count('bytes_from_server', 'n_from_server', 'Payload from server to client, each byte once. Unit: bytes.'),
  count('segments', 'n_segments', 'Segments sent by the observed ends. Unit: segments.'),
  count('retransmitted_segments', 'n_retransmitted', 'Segments that the observed ends sent again. Unit: segments.'),
  figure(
    'retransmit_ratio',
    'n_retransmitted / nullIf(n_segments, 0)',
    'retransmitted_segments per segments; null if none was sent.',
  ),
  figure(
    'avg_srtt_us',
    'n_srtt / nullIf(n_srtt_samples, 0)',
    'Mean smoothed round trip time; null if none is known. Unit: us.',
  ),
  figure('max_srtt_us', 'nullIf(n_srtt_max, 0)', 'Highest smoothed round trip time; null if none is known. Unit: us.'),
  figure('min_rtt_us', 'n_min_rtt', 'Lowest round trip time; null if none is known. Unit: us.'),
  ...['retransmit', 'reset_sent', 'reset_received', 'drop', 'zero_window', 'accept_overflow'].map((kind) =>
    count(`events_${kind}`, `n_events_${kind}`, `Rows of tcp_events of kind ${kind}, at either end.`),
  ),
];
