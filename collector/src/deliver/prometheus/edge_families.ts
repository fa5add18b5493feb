/** Every family about edges that is published: what it counts, in which unit, by which labels. */
import type { KernelWords } from '../../correlate/kernel_words.ts';
import {
  ANY_WORD,
  EdgeCounter,
  type EdgeFamily,
  type EdgeFamilyOptions,
  EdgeHistogram,
  type EdgeHistogramOptions,
} from './edge_family.ts';
import type { Edges } from './edges.ts';
import {
  APPLICATION_PROTOCOL_WORDS,
  CAUSE_WORDS,
  CLOSE_CAUSE_WORDS,
  errorWord,
  OUTCOME_WORDS,
  SENT_BY_WORDS,
  wordIn,
} from './words.ts';

/** Upper bounds in seconds: the semantic conventions' buckets, and two below for what is near. */
export const DURATION_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
export const RTT_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const NS_PER_S = 1e9;
const US_PER_S = 1e6;

/** Parts of a request's duration, which they add up to. */
export const PHASE = { receive: 0, queue: 1, application: 2, send: 3, wait: 4 } as const;

/** Status codes of a cell: what lies above them is the outcome. */
export const STATUSES = 1024;
const MANY_STATUSES = STATUSES - 1;

const statusWord = (status: number) => (status === 0 ? '' : String(status));

export interface EdgeFamiliesOptions {
  /** The running kernel's names of drop reasons. */
  readonly dropReasons: KernelWords;
  readonly duration: Pick<EdgeHistogramOptions, 'made' | 'exemplar'>;
  readonly segments: Pick<EdgeHistogramOptions, 'made'>;
}

/** Makes the families, all of them empty. */
export function edgeFamilies(edges: Edges, { dropReasons, duration, segments }: EdgeFamiliesOptions) {
  const sentBy = { labels: ['sent_by'], words: wordIn(SENT_BY_WORDS) };
  const counter = (name: string, unit: string, help: string, more: Partial<EdgeFamilyOptions> = {}) =>
    new EdgeCounter(edges, { name, unit, help, ...more });
  return {
    duration: new EdgeHistogram(edges, {
      name: 'flowspan_http_request_duration_seconds',
      help: 'HTTP requests by duration: first byte of the request until last byte of the response, at the observed end.',
      unit: 'seconds',
      labels: ['outcome'],
      words: wordIn(OUTCOME_WORDS),
      buckets: DURATION_BUCKETS,
      per: NS_PER_S,
      ...duration,
    }),
    requests: counter(
      'flowspan_http_requests_total',
      'requests',
      'HTTP requests, counted at each end that is observed.',
      {
        labels: ['outcome', 'http_status_code'],
        words(what: number) {
          const status = what % STATUSES;
          const outcome = OUTCOME_WORDS[Math.floor(what / STATUSES)] as string;
          return [outcome, status === MANY_STATUSES ? '_other' : statusWord(status)];
        },
        many: (what: number) => what - (what % STATUSES) + MANY_STATUSES,
      },
    ),
    phases: counter(
      'flowspan_http_request_phase_seconds_total',
      'seconds',
      'Time of HTTP requests by phase: receive (first to last byte of the request), queue (in the receive queue), application (read until first byte of the response), send (first to last byte of the response), wait (what cannot be told apart: no read was seen, or no answer came).',
      { labels: ['phase'], words: wordIn(Object.keys(PHASE)), per: NS_PER_S },
    ),
    segments: counter('flowspan_tcp_segments_total', 'segments', 'TCP segments sent by the observed end.', {
      ...sentBy,
      ...segments,
    }),
    retransmits: counter(
      'flowspan_tcp_retransmitted_segments_total',
      'segments',
      'TCP segments that the observed end sent again, counted from events: what the kernel could not tell one by one (flowspan_collector_lost_records_total) is missing. Rows of flows have the exact sums.',
      { labels: ['sent_by', 'cause'], words: sentByAndCause },
    ),
    bytes: counter('flowspan_tcp_bytes_total', 'bytes', 'TCP payload, each byte once.', sentBy),
    resets: counter(
      'flowspan_tcp_resets_total',
      'resets',
      'TCP resets that the observed end sent or received.',
      sentBy,
    ),
    drops: counter(
      'flowspan_tcp_drops_total',
      'packets',
      'TCP packets dropped by this kernel, by its own reason. Drops without a socket are told one by one only up to a limit per second; the rest is in flowspan_collector_lost_records_total with reason drop_event_limit.',
      {
        labels: ['reason'],
        words: (reason: number) => [dropReasons.word(reason) || 'unknown'],
        many: ANY_WORD,
      },
    ),
    zeroWindows: counter(
      'flowspan_tcp_zero_windows_total',
      'events',
      'Times the peer of the observed end closed its receive window (sent_by is the peer), told when it had opened again.',
      sentBy,
    ),
    acceptOverflows: counter(
      'flowspan_tcp_accept_queue_overflows_total',
      'packets',
      'SYNs and last ACKs of handshakes dropped because the accept queue of the listening socket was full.',
    ),
    opened: counter('flowspan_tcp_connections_opened_total', 'connections', 'TCP connections established.'),
    closed: counter(
      'flowspan_tcp_connections_closed_total',
      'connections',
      'TCP connections that ended, failed ones included.',
      { labels: ['close_cause'], words: wordIn(CLOSE_CAUSE_WORDS) },
    ),
    connectsFailed: counter(
      'flowspan_tcp_connects_failed_total',
      'connects',
      'TCP connects that came to nothing, by errno.',
      { labels: ['error'], words: (error: number) => [errorWord(error)], many: ANY_WORD },
    ),
    rtt: new EdgeHistogram(edges, {
      name: 'flowspan_tcp_rtt_seconds',
      help: 'Smoothed round trip times: one sample for each TCP connection and reporting interval.',
      unit: 'seconds',
      buckets: RTT_BUCKETS,
      per: US_PER_S,
    }),
    intervals: counter(
      'flowspan_tcp_connection_intervals_total',
      'connection intervals',
      'Reporting intervals of TCP connections in which payload travelled.',
    ),
    opaque: counter(
      'flowspan_tcp_opaque_connection_intervals_total',
      'connection intervals',
      'Of flowspan_tcp_connection_intervals_total, those of connections whose requests cannot be seen.',
      { labels: ['application_protocol'], words: wordIn(APPLICATION_PROTOCOL_WORDS) },
    ),
    udpBytes: counter('flowspan_udp_bytes_total', 'bytes', 'UDP payload.', sentBy),
    udpDatagrams: counter('flowspan_udp_datagrams_total', 'datagrams', 'UDP datagrams.', sentBy),
  } satisfies Record<string, EdgeFamily>;
}

export type EdgeFamilies = ReturnType<typeof edgeFamilies>;

/** Retransmit causes of a cell: what lies above them is who sent. */
export const CAUSES = 16;

function sentByAndCause(what: number): readonly string[] {
  return [SENT_BY_WORDS[Math.floor(what / CAUSES)] as string, CAUSE_WORDS[what % CAUSES] ?? String(what % CAUSES)];
}
