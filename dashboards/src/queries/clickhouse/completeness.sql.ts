/** What Flowspan itself missed, and up to when all is stored. */

/** Losses and unobserved times of the time range. */
export function losses(): string {
  return `SELECT time, cluster, node, kind, reason, count, duration_ns
FROM losses
WHERE $__timeFilter_ms(time)
ORDER BY time DESC
LIMIT 500`;
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
