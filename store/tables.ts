/**
 * Every table that Flowspan writes: one ordered list of columns per table. DDL, the RowBinary writer, the query API's
 * field list and the docs come from here. Columns that a kernel record carries take name, type and doc from the wire.
 */
import { FLOW_RECORD_FIELDS, REQUEST_RECORD_FIELDS, TCP_EVENT_RECORD_FIELDS } from '../bpf/wire/events.gen.ts';
import { type Column, fromWire, MEASURE_CODEC, type Table, UNKNOWN } from './columns.ts';
import { DECISION, ENDS, IDENTITY_BASES, SAMPLE_WEIGHT, SCOPE, text, word, words } from './common_columns.ts';
import { ENDPOINT_ADDRESSES, ENDPOINTS } from './endpoint_tables.ts';
import { DERIVED_TRACE_ID_SQL, SENT_TRACE_ID_SQL } from './ids.ts';
import { difference, type Remainder } from './remainders.ts';
import { VERDICTS } from './verdict_table.ts';

export { type Column, enumLabel, type StoredColumn, type StoredTable, type Table } from './columns.ts';
export { ENDPOINT_ADDRESSES, ENDPOINTS, IDENTITY_BASES, VERDICTS };

/** Words for how an exchange went, the same for every protocol. */
export const OUTCOMES = { unknown: 0, ok: 1, client_error: 2, server_error: 3, no_response: 4, refused: 5 } as const;
/** Those that count as errors of the service or the network. A client's own mistake is none. */
export const FAILED_OUTCOMES = ['server_error', 'no_response', 'refused'] as const satisfies (keyof typeof OUTCOMES)[];
/** They as a SQL tuple, for `outcome IN …`. */
export const FAILED_OUTCOMES_SQL = `(${FAILED_OUTCOMES.map((outcome) => `'${outcome}'`).join(', ')})`;

/** Why a request was sent as a span: the first of these reasons that held. */
export const SPAN_DECISIONS = { not_sent: 0, error: 1, slow: 2, evidence: 3, parent: 4, ratio: 5 } as const;

/**
 * What the collector recognises a connection and its other end by (rows have requests' own numbers), what it names
 * services and policies by, and what the kernel shed, which is a part of the weight that rows have.
 */
const OF_COLLECTOR = [
  'peer_endpoint_id',
  'service_id',
  'source_sequence_begin',
  'destination_sequence_begin',
  'policy_generation',
  'policy_decision',
  'sample_weight',
];

/** Sequence numbers of a connection grow from row to row; between connections they are as good as random. */
const SEQUENCE = { codec: 'Delta, ZSTD(1)' } as const;

/** Since when a connection is open: the same in all of its rows, where its age is different in each. */
const OPENED = difference('UInt64', 'toUnixTimestamp64Nano(time)', 'ZSTD(1)');
/** What another amount of the row has more, little or nothing. */
const lessThan = (other: string, type = 'UInt64') => ({ remainder: difference(type, other, MEASURE_CODEC) });

/** What a route template and the paths of the route have in common: all before its first parameter. */
const ROUTE_BEGIN = "substringIndex(resource, '{', 1)";
const behindRoute = (path: string) => `substring(${path}, length(${ROUTE_BEGIN}) + 1)`;
/** A path without what its route tells; paths that do not begin like their route stand whole behind a space. */
const BEHIND_ROUTE: Remainder = {
  type: 'String',
  codec: 'ZSTD(1)',
  of: (path) =>
    `if(startsWith(${path}, ${ROUTE_BEGIN}) AND NOT startsWith(${behindRoute(path)}, ' '), ${behindRoute(path)}, concat(' ', ${path}))`,
  value: (rest) => `if(startsWith(${rest}, ' '), substring(${rest}, 2), concat(${ROUTE_BEGIN}, ${rest}))`,
};

const BY_DAY = 'toYYYYMMDD(time)';
/** Of the tables that grow fast: the byte budget deletes whole partitions. */
const BY_HOUR = 'toStartOfHour(time)';

/**
 * Sort key: five minutes, the question, then the very time. The last stands there as an expression: were it `time`
 * itself, ClickHouse would look a time range up there and no longer in the buckets in front, and read the whole day.
 * The rows of one connection stand together: what they share (ports, pid, cgroups, addresses) then costs next to nothing.
 */
const inBuckets = (question: string) => `(toStartOfFiveMinutes(time), ${question}, toUnixTimestamp64Nano(time))`;

export const FLOWS: Table = {
  name: 'flows',
  doc: 'One row per connection and interval: what happened in it. The last row of a connection says why it ended.',
  columns: [
    ...SCOPE,
    ...ENDS,
    ...DECISION,
    ...fromWire(FLOW_RECORD_FIELDS, [...OF_COLLECTOR, 'command_length'], {
      command: { type: 'LowCardinality(String)', ...UNKNOWN },
      connect_ns: { codec: 'ZSTD(1)', ...UNKNOWN },
      connection_age_ns: { remainder: OPENED },
      bytes_acked: lessThan('bytes_sent'),
      delivered_segments: lessThan('data_segments_sent', 'UInt32'),
      owner_cgroup_id: { ...UNKNOWN, ...lessThan('socket_cgroup_id') },
      min_rtt_us: { codec: 'ZSTD(1)', ...UNKNOWN },
      lb_table_version: UNKNOWN,
      lb_slot: { type: 'Int32' },
      frontend_address: UNKNOWN,
      frontend_port: UNKNOWN,
      lb_candidates: UNKNOWN,
      rttvar_us: UNKNOWN,
    }),
    SAMPLE_WEIGHT,
  ],
  engine: 'MergeTree',
  partitionBy: BY_HOUR,
  orderBy: inBuckets('destination_endpoint_id, source_endpoint_id, destination_port, observation_point, socket_cookie'),
  ttlDays: 7,
};

export const TCP_EVENTS: Table = {
  name: 'tcp_events',
  doc: 'One row per thing that went wrong on a connection: retransmits, resets, drops, failed connects, stalls.',
  columns: [
    ...SCOPE,
    ...ENDS,
    ...DECISION,
    ...fromWire(TCP_EVENT_RECORD_FIELDS, [...OF_COLLECTOR, 'drop_reason', 'reset_reason'], {
      latency_ns: UNKNOWN,
      connection_age_ns: UNKNOWN,
      rto_us: UNKNOWN,
    }),
    word('drop_reason', "The kernel's name of the reason it dropped the packet for (enum skb_drop_reason)."),
    word('reset_reason', "The kernel's name of the reason it sent the reset for (enum sk_rst_reason)."),
    SAMPLE_WEIGHT,
  ],
  engine: 'MergeTree',
  partitionBy: BY_HOUR,
  orderBy: inBuckets('destination_endpoint_id, source_endpoint_id, event_kind, observation_point, socket_cookie'),
  ttlDays: 7,
};

export const REQUESTS: Table = {
  name: 'requests',
  doc: 'One row per request and observed end, with what the kernel saw of its connection meanwhile.',
  columns: [
    ...SCOPE,
    ...ENDS,
    ...DECISION,
    ...fromWire(
      REQUEST_RECORD_FIELDS,
      [...OF_COLLECTOR, 'method_length', 'target_length', 'host_length', 'traceparent_length', 'text'],
      {
        application_read_ns: UNKNOWN,
        response_start_ns: { ...UNKNOWN, ...lessThan('duration_ns') },
        response_body_bytes: lessThan('response_bytes'),
        http_status_code: UNKNOWN,
        max_rtt_us: UNKNOWN,
        request_sequence: SEQUENCE,
        response_sequence: SEQUENCE,
        text_truncated: { type: 'Bool' },
      },
    ),
    {
      name: 'outcome',
      type: words(OUTCOMES),
      doc: 'How it went: ok, client_error, server_error, no_response, refused or unknown.',
      source: 'collector',
    },
    { name: 'has_trace', type: 'Bool', doc: 'Whether a valid W3C traceparent was sent.', source: 'collector' },
    { name: 'trace_flags', type: 'UInt8', doc: 'Flags of the traceparent; 0 if none.', source: 'collector' },
    {
      name: 'trace_id',
      type: 'FixedString(16)',
      doc: 'Trace id of the traceparent, zero if none was sent.',
      source: 'collector',
      zeroIsUnknown: true,
    },
    {
      name: 'parent_span_id',
      type: 'FixedString(8)',
      doc: 'Span id of the traceparent, zero if none was sent.',
      source: 'collector',
      zeroIsUnknown: true,
    },
    word('request_protocol', 'Application protocol of the exchange: http.'),
    word('operation', 'What was asked for in the words of the protocol: the HTTP method.'),
    word('resource', 'Route template of the path, learned per destination; bounded.'),
    word('status', "The protocol's own status, as text; empty if none was seen."),
    word('error_type', 'Why it failed: the status, or what became of the connection; empty if it did not.'),
    text('http_host', 'Host header.', 'ZSTD(3)'),
    {
      ...text('http_path', 'Path of the target; segments that look like secrets read REDACTED.'),
      remainder: BEHIND_ROUTE,
    },
    text('http_query', 'Query of the target; values read REDACTED unless allowed by name.'),
    {
      name: 'span_decision',
      type: words(SPAN_DECISIONS),
      doc: 'Why it was sent as a span: error, slow, evidence, parent or ratio; not_sent if it was not.',
      source: 'collector',
    },
    SAMPLE_WEIGHT,
  ],
  engine: 'MergeTree',
  partitionBy: BY_HOUR,
  orderBy: inBuckets('destination_endpoint_id, source_endpoint_id, observation_point, socket_cookie'),
  ttlDays: 3,
  indices: [
    'start_time time - toIntervalNanosecond(duration_ns) TYPE minmax GRANULARITY 1',
    `derived_trace_id ${DERIVED_TRACE_ID_SQL} TYPE minmax GRANULARITY 1`,
    `sent_trace_id ${SENT_TRACE_ID_SQL} TYPE bloom_filter(0.01) GRANULARITY 1`,
  ],
};

export const LOSSES: Table = {
  name: 'losses',
  doc: 'What Flowspan itself failed to record, or when it was not watching: one row per kind, reason and report.',
  columns: [
    ...SCOPE,
    {
      name: 'duration_ns',
      type: 'UInt64',
      unit: 'ns',
      doc: 'Length of the time in which it was lost.',
      source: 'collector',
    },
    word('kind', 'What was lost: flow, tcp_event, request, cgroup, verdict, or all.'),
    word('reason', 'Why: ring_full, restart, spool_dropped, a discard reason of the kernel side, …'),
    { name: 'count', type: 'UInt64', unit: 'count', doc: 'How many; 0 if it cannot be known.', source: 'collector' },
  ],
  engine: 'MergeTree',
  partitionBy: BY_DAY,
  orderBy: '(time, node, kind, reason)',
  ttlDays: 30,
};

export const COLLECTOR_REPORTS: Table = {
  name: 'collector_reports',
  doc: 'One row per report of a collector, every few seconds: what was recorded up to `time` has been stored.',
  columns: [
    ...SCOPE,
    {
      name: 'started',
      type: "DateTime64(9, 'UTC')",
      doc: 'When this collector began to watch.',
      source: 'collector',
    },
    {
      name: 'counters',
      type: 'Map(LowCardinality(String), UInt64)',
      unit: 'count',
      doc: 'Since the start: <record kind>.wanted, .stored, .lost and what else the collector counts.',
      source: 'collector',
    },
  ],
  engine: 'MergeTree',
  partitionBy: BY_DAY,
  orderBy: '(node, time)',
  ttlDays: 30,
};

/** Tables that collectors insert into, in the order in which they are created. */
export const TABLES: readonly Table[] = [
  FLOWS,
  TCP_EVENTS,
  REQUESTS,
  VERDICTS,
  ENDPOINTS,
  ENDPOINT_ADDRESSES,
  LOSSES,
  COLLECTOR_REPORTS,
];

/** The column with this name; throws if the table has none. */
export function column(table: Table, name: string): Column {
  const found = table.columns.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`table ${table.name} has no column ${name}`);
  return found;
}
