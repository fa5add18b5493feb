/** What several dashboards say in the same words. */
import { edgeUrl, REQUEST_ID, requestUrl } from '../links.ts';
import type { Column } from '../panels.ts';

/** When panels about trouble are rightly empty. */
export const NOTHING_RESET = 'no connection was reset';
export const NO_FAILED_CONNECTS = 'every connect succeeded';
export const NOTHING_DROPPED = 'no packet was dropped';
export const NOTHING_LOST = 'nothing was lost';
export const NOTHING_MISSING = 'nothing was lost, shed or unwatched';
export const NOTHING_WAITED = 'every receiver kept up';

const toEdge = { title: 'Open the edge', url: edgeUrl() };

/** Columns of tables of edges. */
export const EDGE_TABLE: Readonly<Record<string, Column>> = {
  cluster: { hidden: true },
  source_namespace: { shown: 'client namespace' },
  source_workload: { shown: 'client', link: toEdge },
  destination_namespace: { shown: 'server namespace' },
  destination_workload: { shown: 'server', link: toEdge },
  request_rate_per_s: { unit: 'reqps', shown: 'requests' },
  error_ratio: { unit: 'percentunit', shown: 'failures', warnAt: [0.01, 0.05] },
  p50_duration_ns: { unit: 'ns', shown: 'p50' },
  p99_duration_ns: { unit: 'ns', shown: 'p99' },
  retransmit_ratio: { unit: 'percentunit', shown: 'retransmits', warnAt: [0.005, 0.02] },
  avg_srtt_us: { unit: 'µs', shown: 'RTT' },
  connections_failed: { unit: 'short', shown: 'failed connects', warnAt: [1, 10] },
  events_reset_sent: { unit: 'short', shown: 'resets sent' },
  events_reset_received: { unit: 'short', shown: 'resets received' },
  events_drop: { unit: 'short', shown: 'drops' },
  requests: { unit: 'short', shown: 'requests in all' },
  errors: { unit: 'short', shown: 'failures in all' },
  connections_opened: { unit: 'short', shown: 'connections' },
  bytes_from_client: { unit: 'bytes', shown: 'from client' },
  bytes_from_server: { unit: 'bytes', shown: 'from server' },
  opaque_tls: { unit: 'short', shown: 'opaque: TLS' },
  opaque_http2: { unit: 'short', shown: 'opaque: HTTP/2' },
  opaque_other: { unit: 'short', shown: 'opaque: other' },
};

const toRequest = { title: 'Open the request', url: requestUrl() };

/** Columns of tables of requests. */
export const REQUEST_TABLE: Readonly<Record<string, Column>> = {
  ended: { width: 190, shown: 'ended' },
  ...Object.fromEntries(
    ['cluster', 'source_namespace', 'source_workload', 'destination_namespace', 'destination_workload'].map((name) => [
      name,
      { hidden: true },
    ]),
  ),
  operation: { width: 80, shown: 'method' },
  url: { link: toRequest },
  status: { width: 70 },
  error_type: { shown: 'error' },
  client_duration_ns: { unit: 'ns', shown: 'took (client)' },
  server_duration_ns: { unit: 'ns', shown: 'took (server)' },
  receive_ns: { unit: 'ns', shown: 'receive' },
  queue_ns: { unit: 'ns', shown: 'queue' },
  application_ns: { unit: 'ns', shown: 'application' },
  send_ns: { unit: 'ns', shown: 'send' },
  retransmitted_segments: { unit: 'short', shown: 'retransmits', warnAt: [1, 3] },
  fast_retransmits: { unit: 'short', shown: 'fast' },
  timeouts: { unit: 'short', warnAt: [1, 2] },
  tail_loss_probes: { unit: 'short', shown: 'probes' },
  zero_window_ns: { unit: 'ns', shown: 'window closed' },
  max_rtt_us: { unit: 'µs', shown: 'max RTT' },
  trace_id: { shown: 'trace' },
  [REQUEST_ID]: { shown: 'request id', link: toRequest },
};

/** Columns of tables of TCP events. */
export const EVENT_TABLE: Readonly<Record<string, Column>> = {
  time: { width: 190 },
  observation_point: { shown: 'seen by' },
  event_kind: { shown: 'event' },
  retransmit_cause: { shown: 'cause' },
  sent_by: { shown: 'sent by' },
  segments: { unit: 'short' },
  segments_in_flight: { unit: 'short', shown: 'in flight' },
  latency_ns: { unit: 'ns', shown: 'took' },
  srtt_us: { unit: 'µs', shown: 'RTT' },
  rto_us: { unit: 'µs', shown: 'timeout at' },
  cwnd_segments: { unit: 'short', shown: 'window' },
  congestion_state: { shown: 'state' },
  error_number: { unit: 'none', shown: 'errno' },
  drop_reason: { shown: 'drop reason' },
  reset_reason: { shown: 'reset reason' },
};
