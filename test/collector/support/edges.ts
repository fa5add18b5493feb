/** What the edge families should say, worked out anew from the rows that the same records became. */
import type { Row } from './path.ts';

const FAMILY = 'flowspan_';

/** Who is who among rows: namespace and workload by endpoint id. */
export type Names = (id: unknown) => readonly [string, string];

const number = (value: unknown): number => Number(value ?? 0);

/** Adds up rows into series, by name and labels. */
class Sums {
  readonly series = new Map<string, number>();
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  add(name: string, row: Row, labels: Record<string, string>, value: number): void {
    const [sourceNamespace, source] = this.#names(row.source_endpoint_id);
    const [destinationNamespace, destination] = this.#names(row.destination_endpoint_id);
    const all: Record<string, string> = {
      cluster: String(row.cluster),
      source_namespace: sourceNamespace,
      source_workload: source,
      destination_namespace: destinationNamespace,
      destination_workload: destination,
      observation_point: String(row.observation_point),
      ...labels,
    };
    const words = Object.keys(all)
      .toSorted()
      .map((label) => `${label}=${JSON.stringify(all[label])}`);
    const key = `${FAMILY}${name}{${words.join(',')}}`;
    this.series.set(key, (this.series.get(key) ?? 0) + value);
  }

  histogram(name: string, row: Row, labels: Record<string, string>, value: number, bounds: readonly number[]): void {
    for (const bound of [...bounds, Number.POSITIVE_INFINITY]) {
      const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : Number.isInteger(bound) ? `${bound}.0` : String(bound);
      this.add(`${name}_bucket`, row, { ...labels, le }, value <= bound ? 1 : 0);
    }
    this.add(`${name}_sum`, row, labels, value);
    this.add(`${name}_count`, row, labels, 1);
  }
}

const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const ROUND_TRIPS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

function addFlow(sums: Sums, row: Row): void {
  const point = String(row.observation_point);
  const peer = point === 'client' ? 'server' : 'client';
  const [sent, received] = [number(row.bytes_sent), number(row.bytes_received)];
  if (row.protocol === 17) {
    sums.add('udp_bytes_total', row, { sent_by: point }, sent);
    sums.add('udp_bytes_total', row, { sent_by: peer }, received);
    sums.add('udp_datagrams_total', row, { sent_by: point }, number(row.segments_sent));
    sums.add('udp_datagrams_total', row, { sent_by: peer }, number(row.segments_received));
    return;
  }
  sums.add('tcp_segments_total', row, { sent_by: point }, number(row.segments_sent));
  sums.add('tcp_bytes_total', row, { sent_by: point }, Math.max(0, sent - number(row.bytes_retransmitted)));
  sums.add('tcp_bytes_total', row, { sent_by: peer }, received);
  if (row.flow_state === 'opened') sums.add('tcp_connections_opened_total', row, {}, 1);
  if (row.flow_state === 'closed') {
    sums.add('tcp_connections_closed_total', row, { close_cause: String(row.close_cause) }, 1);
  }
  if (number(row.srtt_us) > 0) sums.histogram('tcp_rtt_seconds', row, {}, number(row.srtt_us) / 1e6, ROUND_TRIPS);
  if (sent + received === 0) return;
  const carried = String(row.application_protocol);
  sums.add('tcp_connection_intervals_total', row, {}, 1);
  if (!['tls', 'http2', 'other'].includes(carried)) return;
  sums.add('tcp_opaque_connection_intervals_total', row, { application_protocol: carried }, 1);
}

function addRequest(sums: Sums, row: Row): void {
  const outcome = String(row.outcome);
  const duration = number(row.duration_ns);
  const [sent, read, answered] = [row.request_sent_ns, row.application_read_ns, row.response_start_ns].map(number) as [
    number,
    number,
    number,
  ];
  sums.add('http_requests_total', row, { outcome, http_status_code: String(row.http_status_code || '') }, 1);
  sums.histogram('http_request_duration_seconds', row, { outcome }, duration / 1e9, DURATIONS);
  const early = read !== 0 && read <= sent;
  const receive = early ? sent - read : sent;
  const queue = early ? read : Math.max(0, read - sent);
  const application = read !== 0 ? Math.max(0, answered - Math.max(read, sent)) : 0;
  const send = answered !== 0 ? Math.max(0, duration - answered) : 0;
  const wait = Math.max(0, duration - receive - queue - application - send);
  for (const [phase, ns] of Object.entries({ receive, queue, application, send, wait })) {
    sums.add('http_request_phase_seconds_total', row, { phase }, ns / 1e9);
  }
}

function addEvent(sums: Sums, row: Row): void {
  const sent_by = String(row.sent_by);
  switch (row.event_kind) {
    case 'retransmit': {
      const cause = String(row.retransmit_cause);
      sums.add('tcp_retransmitted_segments_total', row, { sent_by, cause }, number(row.segments));
      return;
    }
    case 'reset_sent':
    case 'reset_received':
      sums.add('tcp_resets_total', row, { sent_by }, 1);
      return;
    case 'drop':
      sums.add('tcp_drops_total', row, { reason: String(row.drop_reason || 'unknown') }, 1);
      return;
    case 'connect_failed':
      sums.add('tcp_connects_failed_total', row, { error: errorName(number(row.error_number)) }, 1);
      return;
    case 'zero_window':
      sums.add('tcp_zero_windows_total', row, { sent_by }, 1);
      return;
    case 'accept_overflow':
      sums.add('tcp_accept_queue_overflows_total', row, {}, 1);
      return;
  }
}

const ERRORS: Readonly<Record<number, string>> = {
  0: 'unknown',
  101: 'ENETUNREACH',
  104: 'ECONNRESET',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  113: 'EHOSTUNREACH',
};
const errorName = (error: number) => ERRORS[error] ?? String(error);

/** Every series that rows of the three tables should have become; what never moved from 0 may be missing. */
export function seriesOfRows(
  rows: { readonly flows: readonly Row[]; readonly requests: readonly Row[]; readonly events: readonly Row[] },
  names: Names,
): Map<string, number> {
  const sums = new Sums(names);
  for (const row of rows.flows) addFlow(sums, row);
  for (const row of rows.requests) addRequest(sums, row);
  for (const row of rows.events) addEvent(sums, row);
  return sums.series;
}

/** Series that differ, with both values; sums of seconds may differ by what adding in another order does. */
export function differingSeries(found: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): string[] {
  return [...new Set([...found.keys(), ...expected.keys()])].flatMap((key) => {
    const [is, should] = [found.get(key) ?? 0, expected.get(key) ?? 0];
    return Math.abs(is - should) <= 1e-9 * Math.max(1, Math.abs(should)) ? [] : [`${key}: ${is}, not ${should}`];
  });
}
