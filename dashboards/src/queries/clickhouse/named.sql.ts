/** Rows with the names of their ends, called as the metrics call them. */
import { EDGE_LABELS } from '../promql.ts';

/** Word of the metrics for a workload that is not known; rows leave it empty. */
const UNKNOWN = 'unknown';

/** Columns that name the edge of a row, like the labels of the metrics. */
export const EDGE_COLUMNS = EDGE_LABELS.join(', ');

/** Time range of the dashboard, over the tables' own time, so that only its five-minute buckets are read. */
export const IN_TIME_RANGE = '$__timeFilter_ms(time)';

/**
 * A view with named ends as a table expression.
 * @param view `requests_named`, `flows_named`, `tcp_events_named` or `edges_1m_named`
 * @param when condition on the view's time
 */
export function named(view: string, when: string = IN_TIME_RANGE): string {
  const workloads = EDGE_LABELS.filter((label) => label.endsWith('_workload')).map(
    (label) => `if(${label} = '', '${UNKNOWN}', ${label}) AS ${label}`,
  );
  return `(SELECT * REPLACE (${workloads.join(', ')}) FROM ${view} WHERE ${when})`;
}
