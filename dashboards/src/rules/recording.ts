/**
 * Recording rules: what alerts and panels ask of every edge, once. `edge` is a source, a destination and a cluster
 * (EDGE_LABELS); `edge_sender` has `sent_by` besides. Instance and node are aggregated away.
 */
import {
  acceptQueueOverflows,
  bytes,
  connectionsOpened,
  connectionsReset,
  connectsFailed,
  drops,
  durationQuantile,
  EDGE_LABELS,
  establishedClosed,
  opaqueRatio,
  requests,
  resets,
  retransmittedSegmentCount,
  retransmittedSegments,
  rttQuantile,
  type Selection,
  segments,
  serverErrors,
  slowRequestCount,
  zeroWindows,
} from '../queries/prometheus.ts';
import { ratio, shareOfBoth } from '../queries/promql.ts';
import type { RecordingRule, RuleContext } from './rule.ts';
import { THRESHOLDS } from './thresholds.ts';

/** The window of every rate, in seconds: twenty scrapes at 15 s, thirty reporting intervals of a flow. */
export const RATE_WINDOW_S = 300;

const PER_SENDER: Selection = { by: [...EDGE_LABELS, 'sent_by'] };

/** Names of recorded series that alerts read. */
export const RECORDED = {
  requests: 'edge:flowspan_http_requests:rate5m',
  serverErrors: 'edge:flowspan_http_server_errors:rate5m',
  serverErrorRatio: 'edge:flowspan_http_server_errors_per_requests:ratio_rate5m',
  durationP50: 'edge:flowspan_http_request_duration_seconds:p50_rate5m',
  durationP99: 'edge:flowspan_http_request_duration_seconds:p99_rate5m',
  slowRequestCount: 'edge:flowspan_http_slow_requests:increase5m',
  segments: 'edge:flowspan_tcp_segments:rate5m',
  retransmittedSegments: 'edge:flowspan_tcp_retransmitted_segments:rate5m',
  retransmitRatio: 'edge:flowspan_tcp_retransmitted_segments_per_segments:ratio_rate5m',
  senderSegments: 'edge_sender:flowspan_tcp_segments:rate5m',
  senderRetransmittedSegments: 'edge_sender:flowspan_tcp_retransmitted_segments:rate5m',
  senderRetransmittedCount: 'edge_sender:flowspan_tcp_retransmitted_segments:increase5m',
  senderRetransmitRatio: 'edge_sender:flowspan_tcp_retransmitted_segments_per_segments:ratio_rate5m',
  resets: 'edge:flowspan_tcp_resets:rate5m',
  drops: 'edge:flowspan_tcp_drops:rate5m',
  zeroWindows: 'edge:flowspan_tcp_zero_windows:rate5m',
  acceptQueueOverflows: 'edge:flowspan_tcp_accept_queue_overflows:rate5m',
  bytes: 'edge:flowspan_tcp_bytes:rate5m',
  connectionsOpened: 'edge:flowspan_tcp_connections_opened:rate5m',
  establishedClosed: 'edge:flowspan_tcp_established_connections_closed:rate5m',
  connectionsReset: 'edge:flowspan_tcp_connections_reset:rate5m',
  connectsFailed: 'edge:flowspan_tcp_connects_failed:rate5m',
  connectFailureRatio: 'edge:flowspan_tcp_connects_failed_per_connects:ratio_rate5m',
  rttP90: 'edge:flowspan_tcp_rtt_seconds:p90_rate5m',
  opaqueRatio: 'edge:flowspan_tcp_opaque_connection_intervals_per_connection_intervals:ratio_rate5m',
} as const;

/** All recording rules, in the order in which they are evaluated: a quotient reads what stands above it. */
export function recordingRules({ span }: RuleContext): RecordingRule[] {
  const window = span(RATE_WINDOW_S);
  const rule = (record: string, doc: string, expr: string): RecordingRule => ({ record, doc, expr });
  return [
    rule(RECORDED.requests, 'Requests per second.', requests(window)),
    rule(RECORDED.serverErrors, 'Requests per second answered with 5xx.', serverErrors(window)),
    rule(
      RECORDED.serverErrorRatio,
      'Share of requests answered with 5xx.',
      ratio(RECORDED.serverErrors, RECORDED.requests),
    ),
    rule(RECORDED.durationP50, 'Median duration of requests, seconds.', durationQuantile(0.5, window)),
    rule(RECORDED.durationP99, '99th percentile of the duration of requests, seconds.', durationQuantile(0.99, window)),
    rule(
      RECORDED.slowRequestCount,
      `Requests within the window that took longer than ${THRESHOLDS.durationP99Seconds} s.`,
      slowRequestCount(THRESHOLDS.durationP99Seconds, window),
    ),
    rule(RECORDED.segments, 'Segments sent per second by both ends.', segments(window)),
    rule(RECORDED.retransmittedSegments, 'Segments sent again per second by both ends.', retransmittedSegments(window)),
    rule(
      RECORDED.retransmitRatio,
      'Share of segments sent again, both directions together.',
      ratio(RECORDED.retransmittedSegments, RECORDED.segments),
    ),
    rule(RECORDED.senderSegments, 'Segments sent per second by one end.', segments(window, PER_SENDER)),
    rule(
      RECORDED.senderRetransmittedSegments,
      'Segments sent again per second by one end.',
      retransmittedSegments(window, PER_SENDER),
    ),
    rule(
      RECORDED.senderRetransmittedCount,
      'Segments sent again by one end within the window.',
      retransmittedSegmentCount(window, PER_SENDER),
    ),
    rule(
      RECORDED.senderRetransmitRatio,
      'Share of segments sent again by one end: loss in its direction.',
      ratio(RECORDED.senderRetransmittedSegments, RECORDED.senderSegments),
    ),
    rule(RECORDED.resets, 'Resets per second, whoever sent or saw them.', resets(window)),
    rule(RECORDED.drops, 'Packets per second that a kernel dropped.', drops(window)),
    rule(RECORDED.zeroWindows, 'Closed receive windows per second.', zeroWindows(window)),
    rule(
      RECORDED.acceptQueueOverflows,
      'Packets of handshakes per second that found the accept queue full.',
      acceptQueueOverflows(window),
    ),
    rule(RECORDED.bytes, 'Payload bytes per second, both directions.', bytes(window)),
    rule(RECORDED.connectionsOpened, 'Connections opened per second.', connectionsOpened(window)),
    rule(
      RECORDED.establishedClosed,
      'Connections closed per second that had been established.',
      establishedClosed(window),
    ),
    rule(
      RECORDED.connectionsReset,
      'Established connections per second that ended with a reset.',
      connectionsReset(window),
    ),
    rule(RECORDED.connectsFailed, 'Connects per second that failed.', connectsFailed(window)),
    rule(
      RECORDED.connectFailureRatio,
      'Share of connects that failed.',
      shareOfBoth(RECORDED.connectsFailed, RECORDED.connectionsOpened),
    ),
    rule(RECORDED.rttP90, '90th percentile of smoothed round trip times, seconds.', rttQuantile(0.9, window)),
    rule(RECORDED.opaqueRatio, 'Share of connections whose requests cannot be seen.', opaqueRatio(window)),
  ];
}
