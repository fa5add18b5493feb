/** Whether the rollup says what its rows say, for the judge of the churn. */
import { rowsOfEdges } from '../../../../store/edge_builds.ts';
import { EDGE_KEY } from '../../../../store/rollups.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../../store/tables.ts';

/** Sums that are compared, by the table that they are over. */
const SUMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  flows: {
    connections_opened: "flow_state = 'opened'",
    connections_closed: "flow_state = 'closed'",
    segments_from_client: "if(observation_point = 'client', segments_sent, segments_received)",
    srtt_us_sum: 'srtt_us',
  },
  requests: {
    requests_ok: "outcome = 'ok'",
    requests_no_response: "outcome = 'no_response'",
    duration_ns_sum: 'duration_ns',
  },
  tcp_events: {
    connections_failed: "event_kind = 'connect_failed'",
    events_reset_received: "event_kind = 'reset_received'",
  },
};
const TABLES: Readonly<Record<string, Table>> = { flows: FLOWS, requests: REQUESTS, tcp_events: TCP_EVENTS };

/** Before all rows. */
const BEGIN = "toDateTime64(86400, 9, 'UTC')";

const NAMES = Object.values(SUMS).flatMap((sums) => Object.keys(sums));
const KEY = EDGE_KEY.join(', ');
const TOTALS = NAMES.map((name) => `sum(e.${name})`).join(', ');
const anyAbove0 = NAMES.map((name) => `sum(e.${name}) > 0`).join(' OR ');

/** SELECT of edges as the rollup has them. @param minutes condition on `minute` */
export function rolledUp(database: string, minutes: string): string {
  return `SELECT minute, ${KEY}, ${TOTALS} FROM ${database}.edges_1m AS e FINAL
    WHERE ${minutes} GROUP BY minute, ${KEY} HAVING ${anyAbove0}`;
}

/** The same from the rows. */
export function fromRows(database: string, minutes: string): string {
  const selects = Object.entries(SUMS).map(([table, sums]) => {
    const totals = NAMES.map(
      (name) => `${sums[name] === undefined ? '0' : `sum(toUInt64(${sums[name]}) * sample_weight)`} AS ${name}`,
    );
    return `SELECT toDateTime(toStartOfMinute(time), 'UTC') AS minute, ${KEY}, ${totals.join(', ')}
      FROM ${rowsOfEdges(database, TABLES[table]!, BEGIN)} GROUP BY minute, ${KEY}`;
  });
  return `SELECT minute, ${KEY}, ${TOTALS} FROM (${selects.join(' UNION ALL ')}) AS e
    WHERE ${minutes} GROUP BY minute, ${KEY} HAVING ${anyAbove0}`;
}
