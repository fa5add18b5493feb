/**
 * Requests as spans, in the schema of the OpenTelemetry Collector's ClickHouse exporter, which Grafana's plugin reads.
 * One span per request row: the server's under the server's name, the client's under the client's. Names and attributes
 * follow OpenTelemetry's semantic conventions for HTTP (1.45). Both ends' spans have the traceparent's parent; without
 * one the server's has the client's. No span takes the id that the traceparent itself names: that is the application's.
 */
import { quoteName } from './ddl.ts';
import { HTTP_METHODS } from './http_methods.ts';
import {
  DERIVED_TRACE_ID_SQL,
  PARENT_SPAN_ID_SQL,
  RESOLVED_REQUEST_ID_SQL,
  SENT_TRACE_ID_SQL,
  SPAN_ID_SQL,
} from './ids.ts';
import { addressSql, joinedEnds } from './named_views.ts';
import { resolvedName } from './resolved.ts';
import { TRACE_TIMES } from './rollups.ts';
import { FAILED_OUTCOMES_SQL, REQUESTS } from './tables.ts';
import { RESOURCE_COLUMNS, RESOURCE_SQL, SERVICE_SQL, serviceNameSql } from './trace_resource.ts';
import type { View } from './view.ts';

const SERVER = "t.observation_point = 'server'";
const byAddress = (end: string) => addressSql(`t.${end}_address`);
const known = (column: string) => `if(t.${column} = 0, '', toString(t.${column}))`;
const START = 't.time - toIntervalNanosecond(t.duration_ns)';

const nameOf = (end: string) => `if(${end}.endpoint_workload != '', ${end}.endpoint_workload, ${end}.endpoint_name)`;

const FAILED = `t.outcome IN ${FAILED_OUTCOMES_SQL} OR (t.outcome = 'client_error' AND NOT ${SERVER})`;

const KNOWN_METHOD = `t.operation IN (${HTTP_METHODS.map((method) => `'${method}'`).join(', ')})`;

/** Host header without brackets and port; without one the address. */
const HOST = `if(t.http_host = '', ${byAddress('destination')}, replaceRegexpOne(t.http_host, '^\\\\[?([^\\\\]]*?)\\\\]?(:[0-9]*)?$', '\\\\1'))`;
const PORT_IN_HOST = "extract(t.http_host, ':([0-9]+)$')";
/** As a URL has it: addresses of IPv6 in brackets, the port where it is not the scheme's. */
const ADDRESS_IN_URL = `concat(if(t.ip_version = 6, concat('[', ${byAddress('destination')}, ']'), ${byAddress('destination')}), if(t.destination_port = 80, '', concat(':', toString(t.destination_port))))`;
const URL_FULL = `concat('http://', if(t.http_host = '', ${ADDRESS_IN_URL}, t.http_host), if(t.http_path = '*', '', t.http_path), if(t.http_query = '', '', concat('?', t.http_query)))`;

const ATTRIBUTES: Readonly<Record<string, string>> = {
  'http.request.method': `if(${KNOWN_METHOD}, t.operation, '_OTHER')`,
  'http.request.method_original': `if(${KNOWN_METHOD} OR t.operation = '_OTHER', '', t.operation)`,
  'http.route': `if(${SERVER}, t.resource, '')`,
  'url.template': `if(${SERVER}, '', t.resource)`,
  'http.response.status_code': known('http_status_code'),
  'url.full': `if(${SERVER}, '', ${URL_FULL})`,
  'url.scheme': "'http'",
  'url.path': `if(${SERVER}, t.http_path, '')`,
  'url.query': `if(${SERVER}, t.http_query, '')`,
  'server.address': HOST,
  'server.port': `if(${PORT_IN_HOST} = '', toString(t.destination_port), ${PORT_IN_HOST})`,
  'network.peer.address': `if(${SERVER}, ${byAddress('source')}, ${byAddress('destination')})`,
  'network.peer.port': `toString(if(${SERVER}, t.source_port, t.destination_port))`,
  'network.transport': "'tcp'",
  'network.type': "if(t.ip_version = 4, 'ipv4', 'ipv6')",
  'network.protocol.version': "if(t.http_version = 10, '1.0', '1.1')",
  'error.type': `if(${FAILED}, t.error_type, '')`,
  'process.pid': known('pid'),
  'container.id': 't.container_id',
  'http.request.size': 'toString(t.request_bytes)',
  'http.response.size': 'toString(t.response_bytes)',
  'http.request.body.size': 'toString(t.request_body_bytes)',
  'http.response.body.size': 'toString(t.response_body_bytes)',
  'service.peer.name': `if(${SERVER}, ${serviceNameSql('source')}, ${serviceNameSql('destination')})`,
  'flowspan.service_namespace': 't.service_namespace',
  'flowspan.service_name': 't.service_name',
  'flowspan.backend_address': `if(t.backend_port = 0, '', ${addressSql('t.backend_address')})`,
  'flowspan.backend_port': known('backend_port'),
  'flowspan.request_id': RESOLVED_REQUEST_ID_SQL,
  'flowspan.source': nameOf('source'),
  'flowspan.destination': nameOf('destination'),
  'flowspan.outcome': 'toString(t.outcome)',
  'flowspan.request_index': 'toString(t.request_index)',
  'flowspan.peer_observed': 'toString(t.peer_observed)',
  'flowspan.sampling.decision': "if(t.span_decision = 'not_sent', '', toString(t.span_decision))",
  'flowspan.request_sent_ns': 'toString(t.request_sent_ns)',
  'flowspan.application_read_ns': known('application_read_ns'),
  'flowspan.response_start_ns': known('response_start_ns'),
  'flowspan.retransmitted_segments': 'toString(t.retransmitted_segments)',
  'flowspan.fast_retransmits': 'toString(t.fast_retransmits)',
  'flowspan.timeouts': 'toString(t.timeouts)',
  'flowspan.tail_loss_probes': 'toString(t.tail_loss_probes)',
  'flowspan.zero_window_ns': 'toString(t.zero_window_ns)',
  'flowspan.rwnd_limited_us': 'toString(t.rwnd_limited_us)',
  'flowspan.sndbuf_limited_us': 'toString(t.sndbuf_limited_us)',
  'flowspan.bytes_out_of_order': 'toString(t.bytes_out_of_order)',
  'flowspan.srtt_us': known('srtt_us'),
  'flowspan.max_rtt_us': known('max_rtt_us'),
  'flowspan.request_end': 'toString(t.request_end)',
  'flowspan.close_cause': "if(t.close_cause = 'none', '', toString(t.close_cause))",
  'flowspan.closed_by': "if(t.closed_by = 'none', '', toString(t.closed_by))",
  'flowspan.verdict': 'toString(t.verdict)',
};

/** Moments within a request, by column that holds ns since its begin; 0 where it was not seen. */
const MOMENTS: Readonly<Record<string, string>> = {
  request_sent: 'request_sent_ns',
  application_read: 'application_read_ns',
  response_start: 'response_start_ns',
};

/** Method and route: what is learned per server serves as the client's template too. */
const NAME = `concat(if(${KNOWN_METHOD}, t.operation, 'HTTP'), if(t.resource = '', '', concat(' ', t.resource)))`;

/** Rows of before sequence numbers were kept: no trace can be made of them. */
const HAS_HOP_KEY = '(request_sequence, response_sequence) != (0, 0)';

const EMPTY_MAP = "CAST(map(), 'Map(LowCardinality(String), String)')";

function mapSql(values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).map(([name, value]) => `'${name}', ${value}`);
  return `CAST(mapFilter((k, v) -> v != '', map(${pairs.join(', ')})), 'Map(LowCardinality(String), String)')`;
}

function spans(database: string, traceId: string, where: string): string {
  const moments = Object.entries(MOMENTS).map(([name, column]) => `('${name}', t.${column})`);
  const seen = `arrayFilter(m -> m.2 > 0, [${moments.join(', ')}])`;
  const columns: Record<string, string> = {
    Timestamp: START,
    TraceId: traceId,
    SpanId: SPAN_ID_SQL,
    ParentSpanId: PARENT_SPAN_ID_SQL,
    TraceState: "''",
    SpanName: `toLowCardinality(${NAME})`,
    SpanKind: `toLowCardinality(if(${SERVER}, 'Server', 'Client'))`,
    ServiceName: `toLowCardinality(${SERVICE_SQL})`,
    ResourceAttributes: RESOURCE_SQL,
    ScopeName: "'flowspan'",
    ScopeVersion: "''",
    SpanAttributes: mapSql(ATTRIBUTES),
    Duration: 't.duration_ns',
    StatusCode: `toLowCardinality(if(${FAILED}, 'Error', 'Unset'))`,
    StatusMessage: "''",
    '`Events.Timestamp`': `arrayMap(m -> ${START} + toIntervalNanosecond(m.2), ${seen})`,
    '`Events.Name`': `CAST(arrayMap(m -> m.1, ${seen}), 'Array(LowCardinality(String))')`,
    '`Events.Attributes`': `arrayMap(m -> ${EMPTY_MAP}, ${seen})`,
    '`Links.TraceId`': 'emptyArrayString()',
    '`Links.SpanId`': 'emptyArrayString()',
    '`Links.TraceState`': 'emptyArrayString()',
    '`Links.Attributes`': "CAST([], 'Array(Map(LowCardinality(String), String))')",
  };
  const lines = Object.entries(columns).map(([name, value]) => `${value} AS ${name}`);
  const from = joinedEnds(database, `${quoteName(database)}.${resolvedName(REQUESTS)}`, 't.time', RESOURCE_COLUMNS);
  return `SELECT\n    ${lines.join(',\n    ')}\n${from}\nWHERE ${where}`;
}

/** Spans, and where in time each trace is. Two branches each, so that each trace id is looked up in its own index. */
export const TRACE_VIEWS: readonly View[] = [
  {
    name: 'otel_traces',
    doc: 'Requests as OpenTelemetry spans, one per request and observed end.',
    select: (database) =>
      [
        spans(database, DERIVED_TRACE_ID_SQL, `NOT t.has_trace AND ${HAS_HOP_KEY}`),
        spans(database, SENT_TRACE_ID_SQL, 't.has_trace'),
      ].join('\nUNION ALL\n'),
  },
  {
    name: 'otel_traces_trace_id_ts',
    doc: 'When a trace was; look up by TraceId.',
    select: (database) =>
      [
        `SELECT ${DERIVED_TRACE_ID_SQL} AS TraceId, toDateTime(time - toIntervalNanosecond(duration_ns)) AS Start, toDateTime(time) AS End`,
        `FROM ${quoteName(database)}.${REQUESTS.name} WHERE NOT has_trace AND ${HAS_HOP_KEY}`,
        'UNION ALL',
        `SELECT ${SENT_TRACE_ID_SQL} AS TraceId, start AS Start, end AS End FROM ${quoteName(database)}.${TRACE_TIMES.name}`,
      ].join('\n'),
  },
];
