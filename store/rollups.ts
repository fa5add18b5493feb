/** What is summed up over rows: edges per minute, and where in time a trace is. */
import { quoteName } from './ddl.ts';
import { histogramSql } from './histogram.ts';
import { SENT_TRACE_ID_SQL } from './ids.ts';
import {
  column,
  FLOWS,
  OUTCOMES,
  REQUESTS,
  type StoredColumn,
  type StoredTable,
  type Table,
  TCP_EVENTS,
} from './tables.ts';
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

/** An aggregate of edges_1m: how rows of one table make it, what it is where they cannot tell, how several are put together. */
export interface EdgeAggregate {
  readonly name: string;
  readonly table: Table;
  readonly of: string;
  readonly empty: string;
  readonly merge: 'sum' | 'sumMap' | 'max' | 'min';
  /** Type of the result. */
  readonly type: string;
  readonly doc: string;
  readonly unit: StoredColumn['unit'];
}

const sums = (table: Table, list: readonly Sum[]): EdgeAggregate[] =>
  list.map(({ name, doc, of, unit }) => ({
    name,
    table,
    of: `sum(toUInt64(${of}) * sample_weight)`,
    empty: 'toUInt64(0)',
    merge: 'sum',
    type: 'UInt64',
    doc,
    unit: unit ?? 'count',
  }));

/** Everything that edges_1m counts, in the order of its columns. */
export const EDGE_AGGREGATES: readonly EdgeAggregate[] = [
  ...sums(FLOWS, FLOW_SUMS),
  ...sums(REQUESTS, REQUEST_SUMS),
  ...sums(TCP_EVENTS, EVENT_SUMS),
  {
    name: 'srtt_us_max',
    table: FLOWS,
    of: 'max(srtt_us)',
    empty: 'toUInt32(0)',
    merge: 'max',
    type: 'UInt32',
    doc: 'Highest srtt_us; 0 if none is known.',
    unit: 'us',
  },
  {
    name: 'min_rtt_us',
    table: FLOWS,
    of: 'min(nullIf(t.min_rtt_us, 0))',
    empty: "CAST(NULL, 'Nullable(UInt32)')",
    merge: 'min',
    type: 'Nullable(UInt32)',
    doc: 'Lowest min_rtt_us; NULL if none is known.',
    unit: 'us',
  },
  {
    name: 'duration_ns_histogram',
    table: REQUESTS,
    of: histogramSql('duration_ns', 'sample_weight'),
    empty: "CAST(map(), 'Map(Int16, UInt64)')",
    merge: 'sumMap',
    type: 'Map(Int16, UInt64)',
    doc: 'Durations of requests: buckets of store/histogram.ts with their counts.',
    unit: 'ns',
  },
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
  doc: 'Per minute, source, destination, port and observed end: sums over resolved flows, requests and tcp_events, each row times its sample_weight. Read it FINAL; minutes that have just passed are not in it yet (edges_1m_named has them).',
  columns: [
    rollup('minute', "DateTime('UTC')", 'Begin of the minute that `time` of the rows fell into.'),
    ...EDGE_KEY.map((name) => column(FLOWS, name)),
    ...EDGE_AGGREGATES.map(({ name, merge, type, doc, unit }) =>
      rollup(name, `SimpleAggregateFunction(${merge}, ${type})`, doc, unit),
    ),
    rollup('build', "DateTime64(9, 'UTC')", 'When this row was built; of one minute and edge the latest counts.'),
    rollup(
      'gone',
      'UInt8',
      '1 if the last build found nothing of this edge in this minute any more; FINAL leaves it out.',
    ),
  ],
  engine: 'ReplacingMergeTree(build, gone)',
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

/** What keeps trace_times up to date; edges_1m is built (edge_builds.ts). */
export const FEEDS: readonly View[] = [
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
