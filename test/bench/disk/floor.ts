/**
 * What the traffic's own randomness takes, in bytes per row: a row cannot be smaller, however it is stored. Both ends of a
 * request share what is drawn for the request. Few-valued columns: Shannon's entropy, measured over the rows. Nanoseconds: what
 * the generator draws them from (logarithm of the width; of an exponential time, of e times its mean).
 */
import type { Engine } from '../../../store/embedded/engine.ts';

/** One part: its name, and SQL over the table for bits per row. */
type Part = readonly [name: string, bits: string];

const BOTH = 2;
const ofRequest = (bits: string) => `(${bits}) / ${BOTH}`;
const drawnFrom = (width: number) => `log2(${width})`;
/** Share of rows that the server's end saw. */
const SERVER = "avg(observation_point = 'server')";

const PARTS: Readonly<Record<string, readonly Part[]>> = {
  requests: [
    [
      'ids in paths (128 bits or 8 digits)',
      ofRequest(
        "avg(multiIf(NOT endsWith(resource, '{id}'), 0, length(splitByChar('/', http_path)[-1]) = 32, 128, log2(100000000)))",
      ),
    ],
    ['trace and parent ids (24 bytes)', ofRequest('192 * avg(has_trace)')],
    ['route', ofRequest('entropy(resource, service_name) - entropy(service_name)')],
    [
      'status, method, retransmits',
      ofRequest('entropy(http_status_code) + entropy(operation) + entropy(retransmitted_segments)'),
    ],
    ['sizes of bodies', ofRequest('entropy(request_body_bytes) + entropy(response_body_bytes)')],
    ['when it begins (exponential, mean 50 ms to 6.4 s)', ofRequest('log2(e() * 50000000) + 3.5')],
    [
      'application time (widths of log-normal)',
      ofRequest("avgIf(log2(greatest(duration_ns, 1000000)), observation_point = 'server')"),
    ],
    ['network time of one request', ofRequest(drawnFrom(100_000))],
    ['until it was read', `${drawnFrom(60_000)} * ${SERVER}`],
    ['round trip times', `${drawnFrom(80)} + ${drawnFrom(200)}`],
  ],
  flows: [
    ['when the walk met the socket (3 ms)', `${drawnFrom(3_000_000)} * avg(flow_state = 'active')`],
    [
      "opened and closed (ns within its connection's five minutes, a minute of idling)",
      `(${drawnFrom(300_000_000_000)} * avg(flow_state = 'opened') + ${drawnFrom(55_000_000_000)} * avg(flow_state = 'closed')) / ${BOTH}`,
    ],
    ['bytes', ofRequest('entropy(bytes_sent) + entropy(bytes_received)')],
    ['busy time', `${drawnFrom(20_000)} * avg(bytes_sent > 0)`],
    ['round trip times', `${drawnFrom(80)} + ${drawnFrom(60)}`],
    [
      'of a connection and end (port, path, window)',
      `(${drawnFrom(28_232)} / ${BOTH} + ${drawnFrom(120_000)} + ${drawnFrom(30)} + 2) * avg(flow_state = 'opened')`,
    ],
  ],
};

/** Bytes per row of each part. */
export async function floorOf(engine: Engine, table: string): Promise<ReadonlyMap<string, number>> {
  const parts = PARTS[table] ?? [];
  const columns = parts.map(([, bits], index) => `toFloat64(${bits}) / 8 AS p${index}`);
  const [row] = await engine.rows<Record<string, number>>(`SELECT ${columns.join(', ')} FROM flowspan.${table}`);
  return new Map(parts.map(([name], index) => [name, Number(row![`p${index}`])]));
}
