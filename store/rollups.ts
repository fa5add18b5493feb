/** Tables that inserts into other tables fill: edges per minute, and where in time a trace is. */
import { quoteName } from './ddl.ts';
import { histogramSql } from './histogram.ts';
import { SENT_TRACE_ID_SQL } from './ids.ts';
import { column, FLOWS, OUTCOMES, REQUESTS, type StoredColumn, type StoredTable, TCP_EVENTS } from './tables.ts';
import type { View } from './view.ts';

/** A sum over rows of one source table, each row times its sample_weight. */
export interface Sum {
  readonly name: string;
  readonly doc: string;
  /** UInt64 expression over one row of the source. */
  readonly of: string;
  readonly unit?: StoredColumn['unit'];
}

const CLIENT = "observation_point = 'client'";
/** Payload the observed end sent, each byte once. */
const SENT = 'toUInt64(greatest(toInt64(bytes_sent) - toInt64(bytes_retransmitted), 0))';

const bySide = (client: string, server: string) => `if(${CLIENT}, ${client}, ${server})`;

/** What a TCP connection may carry that no request can be read from, by value of application_protocol. */
export const OPAQUE_PROTOCOLS = ['tls', 'http2', 'other'] as const;

/** What edges_1m takes from flows. */
export const FLOW_SUMS: readonly Sum[] = [
  { name: 'connections_opened', doc: 'Connections established (UDP: first seen).', of: "flow_state = 'opened'" },
  { name: 'connections_closed', doc: 'Connections that ended, failed ones included.', of: "flow_state = 'closed'" },
  {
    name: 'bytes_from_client',
    doc: 'Payload from client to server, retransmissions left out.',
    of: bySide(SENT, 'bytes_received'),
    unit: 'bytes',
  },
  {
    name: 'bytes_from_server',
    doc: 'Payload from server to client, retransmissions left out.',
    of: bySide('bytes_received', SENT),
    unit: 'bytes',
  },
  {
    name: 'segments_from_client',
    doc: 'Segments from client to server.',
    of: bySide('segments_sent', 'segments_received'),
    unit: 'segments',
  },
  {
    name: 'segments_from_server',
    doc: 'Segments from server to client.',
    of: bySide('segments_received', 'segments_sent'),
    unit: 'segments',
  },
  {
    name: 'retransmitted_segments_from_client',
    doc: 'Segments the client sent again; known where the client is observed.',
    of: bySide('retransmitted_segments', '0'),
    unit: 'segments',
  },
  {
    name: 'retransmitted_segments_from_server',
    doc: 'Segments the server sent again; known where the server is observed.',
    of: bySide('0', 'retransmitted_segments'),
    unit: 'segments',
  },
  { name: 'srtt_us_sum', doc: 'Sum of srtt_us over srtt_samples.', of: 'srtt_us', unit: 'us' },
  { name: 'srtt_samples', doc: 'Flow rows that knew a round trip time.', of: 'srtt_us > 0' },
  ...OPAQUE_PROTOCOLS.map((carried) => ({
    name: `opaque_${carried}`,
    doc: `Flow rows of TCP connections that carried ${carried}: requests in them cannot be seen.`,
    of: `protocol = 6 AND application_protocol = '${carried}' AND bytes_sent + bytes_received > 0`,
  })),
];

/** What edges_1m takes from requests. */
export const REQUEST_SUMS: readonly Sum[] = [
  ...Object.keys(OUTCOMES).map((outcome) => ({
    name: `requests_${outcome}`,
    doc: `Requests whose outcome was ${outcome}.`,
    of: `outcome = '${outcome}'`,
  })),
  { name: 'duration_ns_sum', doc: 'Sum of the duration of all requests.', of: 'duration_ns', unit: 'ns' },
];

const EVENT_COLUMNS: Readonly<Record<string, string>> = {
  retransmit: 'events_retransmit',
  reset_sent: 'events_reset_sent',
  reset_received: 'events_reset_received',
  drop: 'events_drop',
  connect_failed: 'connections_failed',
  zero_window: 'events_zero_window',
  accept_overflow: 'events_accept_overflow',
};

/** What edges_1m takes from tcp_events. */
export const EVENT_SUMS: readonly Sum[] = Object.entries(EVENT_COLUMNS).map(([kind, name]) => ({
  name,
  doc: kind === 'connect_failed' ? 'Connects that came to nothing.' : `Rows of tcp_events of kind ${kind}.`,
  of: `event_kind = '${kind}'`,
}));

/** What a row of edges_1m is about, beside its minute. */
export const EDGE_KEY = [
  'cluster',
  'destination_endpoint_id',
  'source_endpoint_id',
  'destination_port',
  'protocol',
  'observation_point',
];

const rollup = (name: string, type: string, doc: string, unit?: StoredColumn['unit']): StoredColumn => ({
  name,
  type,
  doc,
  ...(unit === undefined ? {} : { unit }),
});

/** Connections, requests and TCP events per minute, edge and observed end. */
export const EDGES_1M: StoredTable = {
  name: 'edges_1m',
  doc: 'Per minute, source, destination, port and observed end: sums over flows, requests and tcp_events, each row times its sample_weight.',
  columns: [
    rollup('minute', "DateTime('UTC')", 'Begin of the minute that `time` of the rows fell into.'),
    ...EDGE_KEY.map((name) => column(FLOWS, name)),
    ...[...FLOW_SUMS, ...REQUEST_SUMS, ...EVENT_SUMS].map(({ name, doc, unit }) =>
      rollup(name, 'SimpleAggregateFunction(sum, UInt64)', doc, unit ?? 'count'),
    ),
    rollup('srtt_us_max', 'SimpleAggregateFunction(max, UInt32)', 'Highest srtt_us; 0 if none is known.', 'us'),
    rollup(
      'min_rtt_us',
      'SimpleAggregateFunction(min, Nullable(UInt32))',
      'Lowest min_rtt_us; NULL if none is known.',
      'us',
    ),
    rollup(
      'duration_ns_histogram',
      'SimpleAggregateFunction(sumMap, Map(Int16, UInt64))',
      'Durations of requests: buckets of store/histogram.ts with their counts.',
      'ns',
    ),
  ],
  engine: 'AggregatingMergeTree',
  partitionBy: 'toYYYYMMDD(minute)',
  orderBy: `(minute, ${EDGE_KEY.join(', ')})`,
  ttlDays: 30,
  ttlColumn: 'minute',
};

/** Begin and end of each trace that a traceparent named; those of derived trace ids stand in the ids themselves. */
export const TRACE_TIMES: StoredTable = {
  name: 'trace_times',
  doc: 'When the requests of a trace were, by the trace id of their traceparent.',
  columns: [
    rollup('trace_id', 'FixedString(16)', 'Trace id of the traceparent.'),
    rollup('start', "SimpleAggregateFunction(min, DateTime('UTC'))", 'Begin of the first request, whole seconds.'),
    rollup('end', "SimpleAggregateFunction(max, DateTime('UTC'))", 'End of the last request, whole seconds.'),
  ],
  engine: 'AggregatingMergeTree',
  partitionBy: 'toYYYYMMDD(end)',
  orderBy: SENT_TRACE_ID_SQL,
  ttlDays: REQUESTS.ttlDays,
  ttlColumn: 'end',
};

function edgeFeed(from: StoredTable, sums: readonly Sum[], more: readonly string[] = []): View {
  const lines = [
    'toDateTime(toStartOfMinute(time)) AS minute',
    ...EDGE_KEY,
    ...sums.map(({ name, of }) => `sum(toUInt64(${of}) * sample_weight) AS ${name}`),
    ...more,
  ];
  return {
    name: `edges_1m_from_${from.name}`,
    doc: `Feeds edges_1m with ${from.name}.`,
    feed: { from: from.name, into: EDGES_1M.name },
    select: (database) =>
      `SELECT\n    ${lines.join(',\n    ')}\nFROM ${quoteName(database)}.${from.name}\nGROUP BY minute, ${EDGE_KEY.join(', ')}`,
  };
}

/** What keeps the rollups up to date. */
export const FEEDS: readonly View[] = [
  edgeFeed(FLOWS, FLOW_SUMS, ['max(srtt_us) AS srtt_us_max', 'min(nullIf(min_rtt_us, 0)) AS min_rtt_us']),
  edgeFeed(REQUESTS, REQUEST_SUMS, [`${histogramSql('duration_ns', 'sample_weight')} AS duration_ns_histogram`]),
  edgeFeed(TCP_EVENTS, EVENT_SUMS),
  {
    name: 'trace_times_from_requests',
    doc: 'Feeds trace_times with requests that carried a traceparent.',
    feed: { from: REQUESTS.name, into: TRACE_TIMES.name },
    select: (database) =>
      [
        'SELECT trace_id, min(toDateTime(time - toIntervalNanosecond(duration_ns))) AS start, max(toDateTime(time)) AS end',
        `FROM ${quoteName(database)}.${REQUESTS.name} WHERE has_trace GROUP BY trace_id`,
      ].join('\n'),
  },
];
