/** What policies denied, or would have. */

const MOST_SERIES = 20;

/** Denied and audited verdicts per interval, by policy: of those with most in the time range. */
export function refusedByPolicy(): string {
  const name =
    "concat(toString(policy_verdict), ' ', if(policy_name = '', 'by none', concat(policy_kind, ' ', if(policy_namespace = '', '', concat(policy_namespace, '/')), policy_name)))";
  const refused = "$__timeFilter_ms(time) AND policy_verdict IN ('denied', 'audited')";
  return `SELECT $__timeInterval(time) AS interval_start, ${name} AS policy, sum(count) AS verdicts
FROM verdicts
WHERE ${refused} AND policy IN
(
  SELECT ${name} AS policy FROM verdicts WHERE ${refused}
  GROUP BY policy ORDER BY sum(count) DESC, policy LIMIT ${MOST_SERIES}
)
GROUP BY interval_start, policy
ORDER BY interval_start, policy`;
}
