/**
 * One request by its id, from the two rows that its ends left. The id holds the time and both endpoints, which is the
 * primary key in front: a few granules are read, whatever time range the dashboard shows.
 */
import { PHASES } from '../../../../query-api/src/request_phases.ts';
import {
  DERIVED_TRACE_ID_SQL,
  REQUEST_ID_SQL,
  RESOLVED_REQUEST_ID_SQL,
  SENT_TRACE_ID_SQL,
  SPAN_ID_SQL,
  TRACE_ID_SQL,
} from '../../../../store/ids.ts';
import { addressSql } from '../../../../store/named_views.ts';
import { REQUESTS, type StoredColumn } from '../../../../store/tables.ts';
import { REQUEST_ID, TRACE_ID } from '../../links.ts';
import { named } from './named.sql.ts';
import { EXCHANGE } from './requests.sql.ts';
import { EVENT_COLUMNS } from './tcp_events.sql.ts';

/** How far the two ends of an exchange may end apart, in seconds: lost last bytes are sent again. */
const OTHER_END_WITHIN_S = 10;
/** Latest that last bytes, whose loss nobody told, are sent again: one smallest retransmission timeout and a half. */
const LAST_PROBE_WITHIN_MS = 300;
/** Latest that the flow row of an interval follows something that happened in it, in seconds. */
const FLOW_ROW_WITHIN_S = 300;

const number = (from: number) => `reinterpretAsUInt64(reverse(unhex(substring(id, ${from}, 16))))`;
const ofTrace = (trace: string, expression: string) =>
  `(SELECT ${expression} FROM otel_traces_trace_id_ts WHERE TraceId = ${trace})`;
/** Condition on a span: of this trace, whose time is looked up first. */
const inTrace = (trace: string) =>
  `TraceId = ${trace} AND Timestamp >= ${ofTrace(trace, 'min(Start)')} AND Timestamp <= ${ofTrace(trace, 'max(End) + 1')}`;
/**
 * What a page's URL says, as a string of SQL. Percent-encoded it holds neither quote nor backslash, and an id stays what
 * it is; Grafana's own format `sqlstring` leaves backslashes, which escape in ClickHouse.
 */
const given = (variable: string) => `'\${${variable}:percentencode}'`;
/** The id that was given, or that of the longest request of the trace that was given. */
const GIVEN = given(REQUEST_ID);
const ofGivenTrace = (has: string, traceId: string) =>
  `SELECT ${REQUEST_ID_SQL} AS id, duration_ns FROM requests WHERE ${has} AND ${traceId} = ${given(TRACE_ID)}`;
const LONGEST = `(SELECT argMax(id, duration_ns) FROM (${ofGivenTrace('NOT has_trace', DERIVED_TRACE_ID_SQL)} UNION ALL ${ofGivenTrace('has_trace', SENT_TRACE_ID_SQL)}))`;
const ID = `(SELECT if(${GIVEN} = '', ${LONGEST}, ${GIVEN})) AS id, fromUnixTimestamp64Nano(toInt64(${number(1)}), 'UTC') AS ended`;
const KEY = `time = ended AND destination_endpoint_id = ${number(17)} AND source_endpoint_id = ${number(33)} AND ${SPAN_ID_SQL} = substring(id, 49)`;

/** Condition on a row of requests: either end of the exchange. */
const BOTH_ENDS = `time >= ended - toIntervalSecond(${OTHER_END_WITHIN_S}) AND time <= ended + toIntervalSecond(${OTHER_END_WITHIN_S}) AND ${EXCHANGE} IN (SELECT request_sequence, response_sequence FROM requests WHERE ${KEY})`;

const scalar = (expression: string) => `(SELECT ${expression} FROM requests WHERE ${BOTH_ENDS})`;
const BEGIN = scalar('min(time - toIntervalNanosecond(duration_ns))');
const END = scalar('max(time)');
const SAME_CONNECTION = `(boot_id, socket_cookie, generation) IN (SELECT boot_id, socket_cookie, generation FROM requests WHERE ${BOTH_ENDS})`;

/** A column's value as people read it; empty where it is not known. */
function shown({ name, type, unit, zeroIsUnknown }: StoredColumn): string {
  const text =
    unit === 'ns'
      ? `concat(toString(round(${name} / 1e6, 3)), ' ms')`
      : unit === 'us'
        ? `concat(toString(round(${name} / 1e3, 3)), ' ms')`
        : unit === 'bytes'
          ? `concat(toString(${name}), ' B')`
          : type === 'IPv6'
            ? `replaceOne(toString(${name}), '::ffff:', '')`
            : type.startsWith('FixedString')
              ? `lower(hex(${name}))`
              : `toString(${name})`;
  return zeroIsUnknown ? `if(${name} = defaultValueOfArgumentType(${name}), '', ${text})` : text;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Facts that the row does not hold as columns. */
const NAMES: readonly { readonly name: string; readonly sql: string; readonly doc: string }[] = [
  { name: REQUEST_ID, sql: RESOLVED_REQUEST_ID_SQL, doc: 'Id of this end’s view, for /v1/requests/{id}.' },
  { name: 'trace', sql: TRACE_ID_SQL, doc: 'Trace id: the traceparent’s, or made from the exchange.' },
  { name: 'span', sql: SPAN_ID_SQL, doc: 'Span id of this end.' },
  ...(['source', 'destination'] as const).flatMap((end) =>
    ['kind', 'namespace', 'workload', 'name', 'node', 'container_id'].map((property) => ({
      name: `${end}_${property}`,
      sql: `${end}_${property}`,
      doc: `${end === 'source' ? 'Client' : 'Server'}: ${property.replace('_', ' ')}.`,
    })),
  ),
];

/** One line on the exchange: what was asked and how it went, as the end saw it that counts. */
export function summary(): string {
  return `WITH ${ID}
SELECT time, cluster, source_namespace, source_workload, destination_namespace, destination_workload,
  operation, concat(http_host, http_path) AS url, status, outcome, error_type, duration_ns, toString(observation_point) AS observed_at
FROM ${named('requests_named', BOTH_ENDS)}
ORDER BY observation_point = 'server' DESC
LIMIT 1`;
}

/** Which service was dialled and where that led to, as each end knows it; empty where it does not. */
export function dialled(): string {
  const at = (address: string, port: string) =>
    `if(${port} = 0, '', concat(${addressSql(address)}, ' port ', toString(${port})))`;
  return `WITH ${ID}
SELECT toString(observation_point) AS observed_at, source AS client,
  if(service_name = '', '', concat(service_namespace, '/', service_name)) AS service,
  ${at('destination_address', 'destination_port')} AS dialled,
  ${at('backend_address', 'backend_port')} AS backend,
  if(destination_name = '', destination, destination_name) AS server, destination_node AS server_node
FROM ${named('requests_named', BOTH_ENDS)}
ORDER BY observed_at`;
}

/** Every fact of the exchange, one row each, as its ends saw it. */
export function facts(): string {
  const rows = [
    ...NAMES.map(({ name, sql, doc }) => `(${quoted(name)}, toString(${sql}), ${quoted(doc)})`),
    ...REQUESTS.columns.map((column) => `(${quoted(column.name)}, ${shown(column)}, ${quoted(column.doc)})`),
  ];
  return `WITH ${ID}
SELECT told.1 AS fact,
  anyIf(told.2, observation_point = 'client') AS client,
  anyIf(told.2, observation_point = 'server') AS server,
  any(told.3) AS meaning
FROM (
  SELECT observation_point, arrayJoin(arrayEnumerate(facts)) AS place, facts[place] AS told
  FROM (SELECT observation_point, [${rows.join(', ')}] AS facts FROM ${named('requests_named', BOTH_ENDS)})
)
GROUP BY place, fact
ORDER BY place`;
}

/** Where the time went at each end; `wait` is what cannot be told apart there. */
export function phases(): string {
  const names = Object.keys(PHASES);
  return `WITH ${ID}
SELECT observed_at, ${names.join(', ')}, greatest(toInt64(duration_ns) - toInt64(${names.join(' + ')}), 0) AS wait
FROM (
  SELECT toString(observation_point) AS observed_at, duration_ns, ${Object.entries(PHASES)
    .map(([name, sql]) => `toUInt64(${sql}) AS ${name}`)
    .join(', ')}
  FROM requests AS t
  WHERE ${BOTH_ENDS}
)
ORDER BY observed_at`;
}

/** What happened on its connection meanwhile, seen at either end, and until its last bytes were acknowledged. */
export function eventsMeanwhile(): string {
  return `WITH ${ID}
SELECT ${EVENT_COLUMNS}
FROM tcp_events
WHERE time >= ${BEGIN} AND time <= ${END} + toIntervalMillisecond(${LAST_PROBE_WITHIN_MS}) AND ${SAME_CONNECTION}
ORDER BY time`;
}

/** What its connection did in the intervals that the request touches. */
export function connection(): string {
  return `WITH ${ID}
SELECT time, observation_point, flow_state, duration_ns, bytes_sent, bytes_received, segments_sent,
  retransmitted_segments, lost_segments, timeouts, tail_loss_probes, zero_windows, srtt_us, min_rtt_us, rttvar_us,
  cwnd_segments, rwnd_limited_us, sndbuf_limited_us, application_protocol, close_cause, closed_by
FROM flows
WHERE time >= ${BEGIN} AND time <= ${END} + toIntervalSecond(${FLOW_ROW_WITHIN_S}) AND ${SAME_CONNECTION}
  AND time - toIntervalNanosecond(duration_ns) <= ${END}
ORDER BY time, observation_point`;
}

const attributes = (column: string) =>
  `arrayMap((name, value) -> map('key', name, 'value', value), mapKeys(${column}), mapValues(${column}))`;

/** The trace that the request is part of, in the columns that Grafana's trace view takes. */
export function trace(): string {
  return `WITH ${ID}, ${scalar(`any(${TRACE_ID_SQL})`)} AS trace
SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName,
  SpanName AS operationName, toUnixTimestamp64Nano(Timestamp) / 1e6 AS startTime, Duration / 1e6 AS duration,
  ${attributes('SpanAttributes')} AS tags, ${attributes('ResourceAttributes')} AS serviceTags,
  if(StatusCode = 'Error', 2, 0) AS statusCode
FROM otel_traces
WHERE ${inTrace('trace')}
ORDER BY startTime`;
}

/** What Flowspan failed to record around the request. */
export function lossesMeanwhile(): string {
  return `WITH ${ID}
SELECT time, node, kind, reason, count, duration_ns
FROM losses
WHERE time >= ${BEGIN} AND time - toIntervalNanosecond(duration_ns) <= ${END} AND time <= ${END} + toIntervalDay(1)
ORDER BY time`;
}
