/** Requests of the chosen edges, each once, with what both ends saw. */
import { PHASES } from '../../../../query-api/src/request_phases.ts';
import { RESOLVED_REQUEST_ID_SQL, TRACE_ID_SQL } from '../../../../store/ids.ts';
import { FAILED_OUTCOMES_SQL } from '../../../../store/tables.ts';
import { REQUEST_ID } from '../../links.ts';
import { CHOSEN_EDGES_SQL } from '../../variables.ts';
import { EDGE_COLUMNS, named } from './named.sql.ts';

const MOST_REQUESTS = 50;

/** Names one exchange at both of its ends, through address translation as well. */
export const EXCHANGE = '(request_sequence, response_sequence)';

const SERVER = "observation_point = 'server'";
/** Of two views the server's, of one that one. */
const preferServer = (expression: string, name: string) => `argMax(${expression}, ${SERVER}) AS ${name}`;
/** What each end counts for itself. */
const ofBoth = (name: string) => `sum(${name}) AS ${name}`;

/**
 * Requests that a condition chooses, one row for each exchange.
 * @param condition on a row of either end
 * @param order of the rows: those in front are shown
 */
function exchanges(condition: string, order: string, shownOrder: string): string {
  const rows = `${named('requests_named')} AS t WHERE ${CHOSEN_EDGES_SQL}`;
  return `SELECT ${preferServer('time', 'ended')},
  ${EDGE_COLUMNS},
  ${preferServer('operation', 'operation')},
  ${preferServer('concat(http_host, http_path)', 'url')},
  ${preferServer('status', 'status')},
  ${preferServer('outcome', 'outcome')},
  ${preferServer('error_type', 'error_type')},
  maxIf(duration_ns, NOT ${SERVER}) AS client_duration_ns,
  maxIf(duration_ns, ${SERVER}) AS server_duration_ns,
  ${Object.entries(PHASES)
    .map(([name, sql]) => `maxIf(toUInt64(${sql}), ${SERVER}) AS ${name}_ns`)
    .join(', ')},
  ${ofBoth('retransmitted_segments')},
  ${ofBoth('fast_retransmits')},
  ${ofBoth('timeouts')},
  ${ofBoth('tail_loss_probes')},
  max(zero_window_ns) AS zero_window_ns,
  max(max_rtt_us) AS max_rtt_us,
  ${preferServer(TRACE_ID_SQL, 'trace_id')},
  ${preferServer(RESOLVED_REQUEST_ID_SQL, REQUEST_ID)}
FROM ${rows}
  AND ${EXCHANGE} IN (SELECT request_sequence, response_sequence FROM ${rows} AND ${condition} ORDER BY ${order} LIMIT ${2 * MOST_REQUESTS})
GROUP BY request_sequence, response_sequence, ${EDGE_COLUMNS}
ORDER BY ${shownOrder}
LIMIT ${MOST_REQUESTS}`;
}

/** The requests that took longest, as the end saw it that waited longer. */
export function slowestRequests(): string {
  return exchanges('1', 'duration_ns DESC', 'greatest(client_duration_ns, server_duration_ns) DESC');
}

/** The latest requests that failed: 5xx, no response, refused. */
export function failedRequests(): string {
  return exchanges(`outcome IN ${FAILED_OUTCOMES_SQL}`, 'time DESC', 'ended DESC');
}
