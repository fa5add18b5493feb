/**
 * Rows of `flows`: of every connection and end one when it opens, one every ten seconds when its node's collector walks
 * the sockets, one when it closes. They carry the bytes of the requests that fell into them.
 */
import { connectionsSql, OF_CONNECTION, SEGMENT_BYTES, selectSql, timeSql } from './connections.ts';
import { drawn } from './draws.ts';
import { REQUEST_MODEL } from './requests.ts';
import type { Piece } from './shape.ts';
import { nodeOf } from './topology.ts';

const INTERVAL_NS = 10_000_000_000;
/** A walk over a node's sockets takes up to three milliseconds. */
const WALK_NS = 3_000_000;

const serverEnd = "(observed = 'server')";
const segments = (bytes: string) => `toUInt32(ceil(${bytes} / ${SEGMENT_BYTES}))`;
/** Three of a hundred pairs of pods lose one segment in 20 rows, the others one in 2,000. */
const LOSSY = `(sent_bytes > 0 AND ${drawn('loss', 'c, observed, k', 2000)} < if(${drawn('bad', 'client, server', 100)} < 3, 100, 1))`;
const ofEnds = (name: string) => REQUEST_MODEL[name]!;

/** Columns by name, over the connection's columns and those of one row at one end. */
export const FLOW_MODEL: Readonly<Record<string, string>> = {
  ...OF_CONNECTION,
  ...Object.fromEntries(
    [
      ...['cluster', 'node', 'boot_id', 'container_id', 'socket_cgroup_id', 'owner_cgroup_id', 'netns', 'pid'],
      ...['source_basis', 'destination_basis', 'service_namespace', 'service_name', 'backend_address', 'backend_port'],
      ...['source_address', 'destination_address', 'socket_cookie', 'observation_point', 'traffic_direction'],
    ].map((name) => [name, ofEnds(name)]),
  ),
  time: timeSql(`opened_ns + at + toInt64(${drawn('clock', 'node_number', 2_000_000)}) - 1000000`),
  duration_ns: 'toUInt64(at - previous)',
  connection_age_ns: 'toUInt64(at)',
  connect_ns: `intDiv(network_ns, 2) + ${drawn('connect', 'c, observed', 120_000)}`,
  bytes_sent: 'sent_bytes',
  bytes_acked: 'sent_bytes',
  bytes_received: 'received_bytes',
  bytes_retransmitted: `if(${LOSSY}, ${SEGMENT_BYTES}, 0)`,
  busy_us: `if(sent_bytes = 0, 0, 200 + ${drawn('busy', 'c, observed, k', 20_000)})`,
  interval_index: 'toUInt32(k - 1)',
  segments_sent: `${segments('sent_bytes')} + ${segments('received_bytes')} + 1`,
  segments_received: `${segments('sent_bytes')} + ${segments('received_bytes')} + 1`,
  data_segments_sent: segments('sent_bytes'),
  data_segments_received: segments('received_bytes'),
  delivered_segments: `${segments('sent_bytes')} + 1`,
  retransmitted_segments: `if(${LOSSY}, 1, 0)`,
  lost_segments: `if(${LOSSY}, 1, 0)`,
  tail_loss_probes: `if(${LOSSY} AND ${drawn('probe', 'c, k', 3)} = 0, 1, 0)`,
  srtt_us: `toUInt32(intDiv(network_ns, 1000) + ${drawn('srtt', 'c, observed, k', 80)})`,
  min_rtt_us: `toUInt32(intDiv(network_ns, 1000) - ${drawn('min_rtt', 'c, observed', 30)})`,
  rttvar_us: `10 + ${drawn('rttvar', 'c, observed, k', 60)}`,
  cwnd_segments: `10 + ${drawn('cwnd', 'c, observed', 4)} * 8`,
  reordering_segments: '3',
  mss_bytes: String(SEGMENT_BYTES),
  tcp_state: "if(last, 'close', 'established')",
  flow_state: "multiIf(k = 1, 'opened', last, 'closed', 'active')",
  close_cause: "if(last, 'fin', 'none')",
  closed_by: "if(last, 'client', 'none')",
  command: "if(observed = 'server', 'gunicorn', 'envoy')",
};

const within = (sizes: string) =>
  `arraySum(arrayMap((bytes, s) -> if(toInt64(s) >= previous AND toInt64(s) < at, bytes, 0), ${sizes}, starts))`;

/** One row per connection, end and time of a row, with what the model speaks of. */
function rowsOf(piece: Piece): string {
  return `(
    SELECT *, at, previous, k, last, ${within('request_sizes')} AS from_client, ${within('response_sizes')} AS from_server,
      if(${serverEnd}, from_server, from_client) AS sent_bytes, if(${serverEnd}, from_client, from_server) AS received_bytes
    FROM (
      SELECT *,
        arrayConcat([toInt64(0)], arrayMap(t -> toInt64(first_tick + t * ${INTERVAL_NS} + ${drawn('walk', 'c, observed, t', WALK_NS)}), range(toUInt32(greatest(0, intDiv(toInt64(life_ns) - first_tick - ${WALK_NS} + ${INTERVAL_NS}, ${INTERVAL_NS}))))), [toInt64(life_ns)]) AS times
      FROM (
        SELECT *, arrayJoin(['client', 'server']) AS observed, if(observed = 'client', client, server) AS observed_pod,
          ${nodeOf('observed_pod')} AS node_number,
          ${INTERVAL_NS} - toInt64((opened_ns + ${drawn('tick', 'node_number', INTERVAL_NS)}) % ${INTERVAL_NS}) AS first_tick
        FROM ${connectionsSql(piece)}
      )
    )
    ARRAY JOIN times AS at, arrayPushFront(arrayPopBack(times), toInt64(0)) AS previous, arrayEnumerate(times) AS k,
      arrayMap(t -> t = times[-1], times) AS last
  )`;
}

/** SELECT of the rows of a piece, columns as in FLOW_MODEL. */
export const flowsSql = (piece: Piece): string => selectSql(FLOW_MODEL, rowsOf(piece));
