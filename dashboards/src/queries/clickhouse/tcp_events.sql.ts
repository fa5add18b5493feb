/** What went wrong on the connections of the chosen edges. */
import { CHOSEN_EDGES_SQL } from '../../variables.ts';
import { named } from './named.sql.ts';

const MOST_EVENTS = 200;

/** Columns of an event, for tables. */
export const EVENT_COLUMNS = [
  'time',
  'observation_point',
  'event_kind',
  'retransmit_cause',
  'sent_by',
  'segments',
  'segments_in_flight',
  'latency_ns',
  'srtt_us',
  'rto_us',
  'cwnd_segments',
  'congestion_state',
  'error_number',
  'drop_reason',
  'reset_reason',
  "concat(replaceOne(toString(source_address), '::ffff:', ''), ':', toString(source_port)) AS client",
  "concat(replaceOne(toString(destination_address), '::ffff:', ''), ':', toString(destination_port)) AS server",
].join(', ');

/** Events per interval and kind. */
export function eventsOverTime(): string {
  return `SELECT $__timeInterval(time) AS interval_start, toString(event_kind) AS kind, sum(sample_weight) AS events
FROM ${named('tcp_events_named')}
WHERE ${CHOSEN_EDGES_SQL}
GROUP BY interval_start, kind
ORDER BY interval_start`;
}

/** The latest events. */
export function latestEvents(): string {
  return `SELECT ${EVENT_COLUMNS}
FROM ${named('tcp_events_named')}
WHERE ${CHOSEN_EDGES_SQL}
ORDER BY time DESC
LIMIT ${MOST_EVENTS}`;
}
