/**
 * What Flowspan's families are asked, in PromQL: used by recording rules, alerts and panels alike, so that the three
 * mean the same thing by the same word. Pure functions from a window (`5m`, `$__rate_interval`) and a selection to an
 * expression. Rates are per second. No function fails: the expression is only text.
 */
import {
  countOfEnds,
  countOfObserver,
  EDGE_LABELS,
  quantile,
  rateOfEither,
  rateOfEnds,
  rateOfObserver,
  ratio,
  type Selection,
  selector,
  shareOfBoth,
  sumRate,
  type Window,
} from './promql.ts';

export { EDGE_LABELS, type Selection, type Window } from './promql.ts';

const withLabels = (selection: Selection, ...labels: readonly string[]): Selection => ({
  ...selection,
  by: [...(selection.by ?? EDGE_LABELS), ...labels],
});

/** Requests per second. Further labels for `by`: `outcome`, `http_status_code`. */
export function requests(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_http_requests_total', window, selection);
}

/** Requests per second that the server answered with an error of its own (5xx). */
export function serverErrors(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_http_requests_total', window, selection, 'outcome="server_error"');
}

/** Share of requests, 0 to 1, that the server answered with an error of its own. */
export function serverErrorRatio(window: Window, selection: Selection = {}): string {
  return ratio(serverErrors(window, selection), requests(window, selection));
}

/** Share of requests, 0 to 1, that were answered with 5xx or not at all. */
export function failureRatio(window: Window, selection: Selection = {}): string {
  const failures = rateOfObserver(
    'flowspan_http_requests_total',
    window,
    selection,
    'outcome=~"server_error|no_response"',
  );
  return ratio(failures, requests(window, selection));
}

/** Requests per second by upper bound of their duration in seconds (`le`): for heatmaps and quantiles. */
export function durationBuckets(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_http_request_duration_seconds_bucket', window, withLabels(selection, 'le'));
}

/** Quantile of the requests' durations in seconds, such as rank 0.99. */
export function durationQuantile(rank: number, window: Window, selection: Selection = {}): string {
  return quantile(rank, durationBuckets(window, selection));
}

/** Mean duration of a request in seconds. */
export function durationMean(window: Window, selection: Selection = {}): string {
  const family = 'flowspan_http_request_duration_seconds';
  return ratio(
    rateOfObserver(`${family}_sum`, window, selection),
    rateOfObserver(`${family}_count`, window, selection),
  );
}

/**
 * Requests within the window, not per second, that took longer: how many events a quantile rests on.
 * @param seconds an upper bound of a bucket, a whole number
 */
export function slowRequestCount(seconds: number, window: Window, selection: Selection = {}): string {
  const family = 'flowspan_http_request_duration_seconds';
  // OpenMetrics writes whole bounds with a fraction, the text format does not.
  const bound = `le=~"${seconds}|${seconds}.0"`;
  const all = countOfObserver(`${family}_count`, window, selection);
  return `(${all} - ${countOfObserver(`${family}_bucket`, window, selection, bound)})`;
}

/** Seconds that requests spent per second in each `phase` (receive, queue, application, send, wait). */
export function phaseSeconds(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_http_request_phase_seconds_total', window, withLabels(selection, 'phase'));
}

/** Segments sent per second by the ends that are observed. Further label for `by`: `sent_by`. */
export function segments(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_segments_total', window, selection);
}

/** Segments sent again per second by the ends that are observed. Further labels for `by`: `sent_by`, `cause`. */
export function retransmittedSegments(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_retransmitted_segments_total', window, selection);
}

/** Segments sent again within the window, not per second: how many events a ratio rests on. */
export function retransmittedSegmentCount(window: Window, selection: Selection = {}): string {
  return countOfEnds('flowspan_tcp_retransmitted_segments_total', window, selection);
}

/**
 * Share of segments, 0 to 1, that were sent again, of both directions together, or of each with `sent_by` in `by`. The
 * segments count pure acknowledgements too (tcp_sock.segs_out), which are never sent again: below the loss of the link.
 */
export function retransmitRatio(window: Window, selection: Selection = {}): string {
  return ratio(retransmittedSegments(window, selection), segments(window, selection));
}

/** Resets per second, also those that only one end saw. Further label for `by`: `sent_by`. */
export function resets(window: Window, selection: Selection = {}): string {
  return rateOfEither(selection, ['sent_by'], (by) =>
    sumRate(selector('flowspan_tcp_resets_total', selection.edges), window, by),
  );
}

/** Packets per second that a kernel dropped. Further label for `by`: `reason`, the kernel's name. */
export function drops(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_drops_total', window, selection);
}

/**
 * Closed receive windows announced per second. Further label for `by`: `sent_by`, the end that could not take more; the
 * other end counts it.
 */
export function zeroWindows(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_zero_windows_total', window, selection);
}

/**
 * Packets of handshakes (SYN, last ACK) per second that the server's kernel dropped because its accept queue was full:
 * several of each connection that keeps trying.
 */
export function acceptQueueOverflows(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_accept_queue_overflows_total', window, selection);
}

/** Payload bytes per second. Further label for `by`: `sent_by`. */
export function bytes(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_tcp_bytes_total', window, selection);
}

/** Connections opened per second. */
export function connectionsOpened(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_tcp_connections_opened_total', window, selection);
}

/** Connections closed per second. Further label for `by`: `close_cause`. */
export function connectionsClosed(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_tcp_connections_closed_total', window, selection);
}

/**
 * Connections closed per second that had been established. Connects that failed are closed, too, as refused, but also as
 * timed out or aborted like connections that had been open: their end's count of them is taken away.
 */
export function establishedClosed(window: Window, selection: Selection = {}): string {
  return rateOfEither(selection, [], (by) => {
    const closed = sumRate(selector('flowspan_tcp_connections_closed_total', selection.edges), window, by);
    const failed = sumRate(selector('flowspan_tcp_connects_failed_total', selection.edges), window, by);
    return `clamp_min(${closed} - ${failed} or ${closed}, 0)`;
  });
}

/** Established connections per second that ended with a reset, at one of their ends at least. Refused connects do not. */
export function connectionsReset(window: Window, selection: Selection = {}): string {
  return rateOfEither(selection, [], (by) =>
    sumRate(selector('flowspan_tcp_connections_closed_total', 'close_cause="reset"', selection.edges), window, by),
  );
}

/** Connects per second that failed; only the client's end sees them. Further label for `by`: `error`, as ECONNREFUSED. */
export function connectsFailed(window: Window, selection: Selection = {}): string {
  return rateOfEnds('flowspan_tcp_connects_failed_total', window, selection);
}

/** Share of connects, 0 to 1, that failed. */
export function connectFailureRatio(window: Window, selection: Selection = {}): string {
  return shareOfBoth(connectsFailed(window, selection), connectionsOpened(window, selection));
}

/** Connection samples per second by upper bound of the smoothed round trip time in seconds (`le`). */
export function rttBuckets(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_tcp_rtt_seconds_bucket', window, withLabels(selection, 'le'));
}

/** Quantile of the smoothed round trip times in seconds: one sample for each connection and reporting interval. */
export function rttQuantile(rank: number, window: Window, selection: Selection = {}): string {
  return quantile(rank, rttBuckets(window, selection));
}

/** Share of connections, 0 to 1, whose requests cannot be seen (TLS, HTTP/2, other protocols). */
export function opaqueRatio(window: Window, selection: Selection = {}): string {
  return ratio(
    rateOfObserver('flowspan_tcp_opaque_connection_intervals_total', window, selection),
    rateOfObserver('flowspan_tcp_connection_intervals_total', window, selection),
  );
}

/** UDP payload bytes per second. Further label for `by`: `sent_by`. */
export function udpBytes(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_udp_bytes_total', window, selection);
}

/** UDP datagrams per second. Further label for `by`: `sent_by`. */
export function udpDatagrams(window: Window, selection: Selection = {}): string {
  return rateOfObserver('flowspan_udp_datagrams_total', window, selection);
}
