/** Edges as /v1/edges counts them, from the rollup: each request once, whichever end saw it. */
import { EDGE_MEASURES } from '../../../../query-api/src/edge_measures.ts';
import { EDGE_COUNTS, seenByEnds } from '../../../../store/edge_counts.ts';
import { CHOSEN_EDGES_SQL } from '../../variables.ts';
import { EDGE_COLUMNS, named } from './named.sql.ts';

/** Length of the dashboard's time range in seconds. */
const SECONDS = '(toUnixTimestamp($__toTime) - toUnixTimestamp($__fromTime))';
const MINUTES = 'minute >= toStartOfMinute($__fromTime) AND minute <= $__toTime';

/** Most edges that a table or a map shows. */
const MOST_EDGES = 500;

/** What is shown of an edge, besides its ends; names of /v1/edges. */
const SHOWN = [
  'request_rate_per_s',
  'error_ratio',
  'p50_duration_ns',
  'p99_duration_ns',
  'retransmit_ratio',
  'avg_srtt_us',
  'connections_failed',
  'events_reset_sent',
  'events_reset_received',
  'events_drop',
  'requests',
  'errors',
  'connections_opened',
  'bytes_from_client',
  'bytes_from_server',
  'opaque_tls',
  'opaque_http2',
  'opaque_other',
] as const;

/** Counts of each pair of endpoints and hour, then of each pair of workloads. */
function counted(): string {
  const pair = `${EDGE_COLUMNS}, source_endpoint_id, destination_endpoint_id`;
  return `SELECT ${EDGE_COLUMNS}, ${EDGE_COUNTS.map(({ name, merge }) => `${merge}(of_${name}) AS ${name}`).join(', ')}
FROM (
  SELECT ${EDGE_COLUMNS}, ${EDGE_COUNTS.map(({ name, of }) => `${of} AS of_${name}`).join(', ')}
  FROM (
    SELECT ${pair}, ${seenByEnds(EDGE_COUNTS).columns.join(', ')}
    FROM ${named('edges_1m_named', MINUTES)}
    WHERE ${CHOSEN_EDGES_SQL}
    GROUP BY ${pair}, toStartOfHour(minute)
  )
)
GROUP BY ${EDGE_COLUMNS}`;
}

/** Edges of the time range with what is known of them, the busiest first. */
export function edges(): string {
  const measure = (name: string) => {
    const { expression } = EDGE_MEASURES.find((candidate) => candidate.name === name)!;
    return `${expression.replaceAll('{seconds}', SECONDS)} AS ${name}`;
  };
  return `SELECT ${EDGE_COLUMNS}, ${SHOWN.map(measure).join(', ')}
FROM (${counted()})
ORDER BY requests DESC, connections_opened DESC, ${EDGE_COLUMNS}
LIMIT ${MOST_EDGES}`;
}

const node = (end: string) => `concat(cluster, '/', ${end}_namespace, '/', ${end}_workload)`;
const details = (columns: readonly string[]) => columns.map((name) => `${name} AS detail__${name}`).join(', ');

/** Edges as Grafana's node graph takes them. */
export function mapEdges(): string {
  return `SELECT concat(${node('source')}, ' -> ', ${node('destination')}) AS id,
  ${node('source')} AS source, ${node('destination')} AS target,
  request_rate_per_s AS mainstat, error_ratio AS secondarystat,
  multiIf(error_ratio > 0.01, 'red', retransmit_ratio > 0.01, 'orange', 'gray') AS color,
  ${details([...EDGE_COLUMNS.split(', '), ...SHOWN])}
FROM (${edges()})`;
}

/** Workloads as Grafana's node graph takes them: what each answers, and how much of it fails. */
export function mapNodes(): string {
  const end = (name: string, requests: string, errors: string) =>
    `SELECT ${node(name)} AS id, cluster, ${name}_workload AS title, ${name}_namespace AS subtitle, ${requests} AS answered, ${errors} AS failed FROM found`;
  return `WITH found AS (${edges()})
SELECT id, any(title) AS title, any(subtitle) AS subtitle, any(cluster) AS detail__cluster,
  sum(answered) / ${SECONDS} AS mainstat,
  sum(failed) / nullIf(sum(answered), 0) AS secondarystat,
  ifNull(secondarystat, 0) AS arc__failed,
  if(sum(answered) = 0, 0, 1 - arc__failed) AS arc__answered,
  if(sum(answered) = 0, 1, 0) AS arc__no_requests
FROM (
  ${end('destination', 'requests', 'errors')}
  UNION ALL
  ${end('source', 'toUInt64(0)', 'toUInt64(0)')}
)
GROUP BY id
ORDER BY id`;
}
