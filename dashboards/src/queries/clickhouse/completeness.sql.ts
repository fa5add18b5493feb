/** What Flowspan itself missed, and up to when all is stored. */
import { SHED_REASONS } from '../../../../store/loss_reasons.ts';

/** A node is not watched while its reports are further apart, in seconds; the query API says the same. */
const REPORT_GAP_S = 30;

/** Losses and unobserved times of the time range. */
export function losses(): string {
  return `SELECT time, cluster, node, kind, reason, count, duration_ns
FROM losses
WHERE $__timeFilter_ms(time)
ORDER BY time DESC
LIMIT 500`;
}

/** What is lost, shed or was not watched in the time range, by node, kind and reason. */
export function missing(): string {
  const shed = SHED_REASONS.map((reason) => `'${reason}'`).join(', ');
  return `SELECT what, node, kind, reason, sum(count) AS count, min(begun) AS since, max(ended) AS until
FROM
(
  SELECT multiIf(reason IN (${shed}), 'shed', reason = 'restart', 'not watched', reason = 'clock_step', 'clock set', 'lost') AS what,
    node, kind, reason, count, time - toIntervalNanosecond(duration_ns) AS begun, time AS ended
  FROM losses
  WHERE $__timeFilter_ms(time)
  UNION ALL
  SELECT 'not watched', node, 'all', 'no report', 0, before, time
  FROM
  (
    SELECT node, time, lagInFrame(time, 1, time) OVER
      (PARTITION BY node ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
    FROM collector_reports
    WHERE $__timeFilter_ms(time)
  )
  WHERE dateDiff('second', before, time) > ${REPORT_GAP_S}
)
GROUP BY what, node, kind, reason
ORDER BY what, node, kind, reason
LIMIT 200`;
}

/** Each node's collector: since when it has watched, and up to when what it recorded is stored. */
export function storedUpTo(): string {
  return `SELECT cluster, node, max(started) AS watching_since, max(time) AS stored_up_to,
  greatest(dateDiff('millisecond', stored_up_to, toDateTime64($__toTime, 9, 'UTC')), 0) AS behind_ms
FROM collector_reports
WHERE $__timeFilter_ms(time)
GROUP BY cluster, node
ORDER BY cluster, node`;
}
