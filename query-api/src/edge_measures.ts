/** What is told of an edge: measures made of what store/edge_counts.ts counts. */
import { histogramQuantileSql } from '../../store/histogram.ts';
import { OPAQUE_PROTOCOLS } from '../../store/rollups.ts';

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
    `round(${histogramQuantileSql('n_duration_ns_histogram', level)})`,
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
  figure('avg_duration_ns', 'n_duration_ns_sum / nullIf(n_timed, 0)', 'Mean duration of requests. Unit: ns.'),
  ...OPAQUE_PROTOCOLS.map((carried) =>
    count(
      `opaque_${carried}`,
      `n_opaque_${carried}`,
      `Intervals of connections that carried ${carried}: their requests cannot be seen, and are not in requests.`,
    ),
  ),
  count('connections_opened', 'n_connections_opened', 'Connections established (UDP: first seen).'),
  count('connections_closed', 'n_connections_closed', 'Connections that ended.'),
  count('connections_failed', 'n_connections_failed', 'Connects that came to nothing.'),
  count('bytes_from_client', 'n_bytes_from_client', 'Payload from client to server, each byte once. Unit: bytes.'),
  count('bytes_from_server', 'n_bytes_from_server', 'Payload from server to client, each byte once. Unit: bytes.'),
  count('segments', 'n_segments', 'Segments sent by the observed ends. Unit: segments.'),
  count(
    'retransmitted_segments',
    'n_retransmitted_segments',
    'Segments that the observed ends sent again. Unit: segments.',
  ),
  figure(
    'retransmit_ratio',
    'n_retransmitted_segments / nullIf(n_segments, 0)',
    'retransmitted_segments per segments; null if none was sent.',
  ),
  figure(
    'avg_srtt_us',
    'n_srtt_us_sum / nullIf(n_srtt_samples, 0)',
    'Mean smoothed round trip time; null if none is known. Unit: us.',
  ),
  figure(
    'max_srtt_us',
    'nullIf(n_srtt_us_max, 0)',
    'Highest smoothed round trip time; null if none is known. Unit: us.',
  ),
  figure('min_rtt_us', 'n_min_rtt_us', 'Lowest round trip time; null if none is known. Unit: us.'),
  ...['retransmit', 'reset_sent', 'reset_received', 'drop', 'zero_window', 'accept_overflow'].map((kind) =>
    count(`events_${kind}`, `n_events_${kind}`, `Rows of tcp_events of kind ${kind}, at either end.`),
  ),
];
