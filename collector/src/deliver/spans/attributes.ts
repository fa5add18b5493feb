/**
 * Attributes of a request's span: the names of OpenTelemetry's semantic conventions (1.45) where there is one, else our
 * own under `flowspan.`, with the column's name and unit. The view `otel_traces` says the same of the same row.
 */
import type { Attributes, AttributeValue } from '@opentelemetry/api';
import { HTTP_METHODS } from '../../../../store/http_methods.ts';
import { requestId } from '../../../../store/ids.ts';
import { FAILED_OUTCOMES } from '../../../../store/tables.ts';
import type { RequestRow } from './request_row.ts';

const METHODS = new Set(HTTP_METHODS);
const FAILED: ReadonlySet<string> = new Set(FAILED_OUTCOMES);

/** Names of the two ends; undefined where an end is not known. */
export interface EndNames {
  readonly source: string | undefined;
  readonly destination: string | undefined;
  /** Service that the end is which the span is not of. */
  readonly peer_service: string | undefined;
}

type Value = AttributeValue | null | undefined;
type Source = (row: RequestRow, names: EndNames) => Value;

export const isServer = (row: RequestRow) => row.observation_point === 'server';

/** Whether the span's status is Error: a client's mistake is one for the client alone. */
export function isFailure(row: RequestRow): boolean {
  const { outcome } = row;
  if (outcome === 'client_error') return !isServer(row);
  return FAILED.has(outcome);
}

/** Method and route; without a known method HTTP. */
export function spanName(row: RequestRow): string {
  const method = isKnownMethod(row) ? row.operation : 'HTTP';
  return row.resource === null ? `${method}` : `${method} ${row.resource}`;
}

const isKnownMethod = (row: RequestRow) => METHODS.has(row.operation ?? '');
const ofServer =
  (value: Source): Source =>
  (row, names) =>
    isServer(row) ? value(row, names) : undefined;
const ofClient =
  (value: Source): Source =>
  (row, names) =>
    isServer(row) ? undefined : value(row, names);
const unlessNone = (word: string) => (word === 'none' ? undefined : word);

/** The host of a Host header, without brackets and port. */
export function hostName(host: string): string {
  return host.replace(/^\[?([^\]]*?)\]?(:[0-9]*)?$/, '$1');
}

function serverPort(row: RequestRow): number {
  const port = /:([0-9]+)$/.exec(row.http_host ?? '')?.[1];
  return port === undefined ? row.destination_port : Number(port);
}

function fullUrl(row: RequestRow): string {
  const path = row.http_path === '*' ? '' : (row.http_path ?? '');
  const query = row.http_query === null ? '' : `?${row.http_query}`;
  return `http://${row.http_host ?? authority(row)}${path}${query}`;
}

/** What stands in a URL for a destination without a Host header. */
function authority({ destination_address: address, destination_port: port }: RequestRow): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return port === 80 ? host : `${host}:${port}`;
}

const SOURCES: readonly (readonly [string, Source])[] = Object.entries<Source>({
  'http.request.method': (row) => (isKnownMethod(row) ? row.operation : '_OTHER'),
  'http.request.method_original': (row) =>
    isKnownMethod(row) || row.operation === '_OTHER' ? undefined : row.operation,
  'http.route': ofServer((row) => row.resource),
  'url.template': ofClient((row) => row.resource),
  'http.response.status_code': (row) => row.http_status_code,
  'url.full': ofClient(fullUrl),
  'url.scheme': () => 'http',
  'url.path': ofServer((row) => row.http_path),
  'url.query': ofServer((row) => row.http_query),
  'server.address': (row) => (row.http_host === null ? row.destination_address : hostName(row.http_host)),
  'server.port': serverPort,
  'network.peer.address': (row) => (isServer(row) ? row.source_address : row.destination_address),
  'network.peer.port': (row) => (isServer(row) ? row.source_port : row.destination_port),
  'network.transport': () => 'tcp',
  'network.type': (row) => (row.ip_version === 4 ? 'ipv4' : 'ipv6'),
  'network.protocol.version': (row) => (row.http_version === 10 ? '1.0' : '1.1'),
  'error.type': (row) => (isFailure(row) ? row.error_type : undefined),
  'process.pid': (row) => row.pid,
  'container.id': (row) => row.container_id,
  'http.request.size': (row) => Number(row.request_bytes),
  'http.response.size': (row) => Number(row.response_bytes),
  'http.request.body.size': (row) => Number(row.request_body_bytes),
  'http.response.body.size': (row) => Number(row.response_body_bytes),
  'service.peer.name': (_row, { peer_service }) => peer_service,
  'flowspan.source': (_row, { source }) => source,
  'flowspan.destination': (_row, { destination }) => destination,
  'flowspan.service_namespace': (row) => row.service_namespace,
  'flowspan.service_name': (row) => row.service_name,
  'flowspan.backend_address': (row) => row.backend_address,
  'flowspan.backend_port': (row) => row.backend_port,
  'flowspan.request_id': requestId,
  'flowspan.request_index': (row) => row.request_index,
  'flowspan.outcome': (row) => row.outcome,
  'flowspan.peer_observed': (row) => row.peer_observed,
  'flowspan.sampling.decision': (row) => row.span_decision,
  'flowspan.request_sent_ns': (row) => Number(row.request_sent_ns),
  'flowspan.application_read_ns': (row) => numberOf(row.application_read_ns),
  'flowspan.response_start_ns': (row) => numberOf(row.response_start_ns),
  'flowspan.retransmitted_segments': (row) => row.retransmitted_segments,
  'flowspan.fast_retransmits': (row) => row.fast_retransmits,
  'flowspan.timeouts': (row) => row.timeouts,
  'flowspan.tail_loss_probes': (row) => row.tail_loss_probes,
  'flowspan.zero_window_ns': (row) => Number(row.zero_window_ns),
  'flowspan.rwnd_limited_us': (row) => Number(row.rwnd_limited_us),
  'flowspan.sndbuf_limited_us': (row) => Number(row.sndbuf_limited_us),
  'flowspan.bytes_out_of_order': (row) => row.bytes_out_of_order,
  'flowspan.srtt_us': (row) => row.srtt_us,
  'flowspan.max_rtt_us': (row) => row.max_rtt_us,
  'flowspan.request_end': (row) => row.request_end,
  'flowspan.close_cause': (row) => unlessNone(row.close_cause),
  'flowspan.closed_by': (row) => unlessNone(row.closed_by),
  'flowspan.verdict': (row) => row.verdict,
});

function numberOf(text: string | null): number | undefined {
  return text === null ? undefined : Number(text);
}

/** All attributes that the row has a value for. */
export function attributesOf(row: RequestRow, names: EndNames): Attributes {
  const attributes: Attributes = {};
  for (const [name, source] of SOURCES) {
    const value = source(row, names);
    if (value !== null && value !== undefined && value !== '') attributes[name] = value;
  }
  return attributes;
}
