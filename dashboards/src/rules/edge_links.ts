/** Go templates that name the edge of an alert, and lead to its page and its first question. */
import { EDGE_LABELS } from '../queries/prometheus.ts';
import type { Links } from './rule.ts';

/** Workloads that stand for more than one: what has no name, and what found no room. */
export const NAMELESS = 'unknown|_overflow';

const end = (side: 'source' | 'destination') =>
  `{{ with $labels.${side}_namespace }}{{ . }}/{{ end }}{{ $labels.${side}_workload }}`;

/** `namespace/client to namespace/server`; without a namespace only the workload. */
export const EDGE_NAME = `${end('source')} to ${end('destination')}`;

/** `{cluster="…",…}` of the alert's edge, for `query` in a template. */
export const EDGE_MATCHERS = {
  format: `{${EDGE_LABELS.map((label) => `${label}=%q`).join(',')}}`,
  values: EDGE_LABELS.map((label) => `$labels.${label}`).join(' '),
};

/** The edge page with its variables filled. */
export function edgePage({ grafana }: Links): string {
  const variables = EDGE_LABELS.map((label) => `var-${label}={{ $labels.${label} | urlquery }}`);
  return `${grafana}/d/flowspan-edge?${variables.join('&')}`;
}

/**
 * A question to the query API about the alert's edge. Names that the API does not know (an empty namespace, a workload
 * that stands for many) are left out.
 * @param filters parameters beside the edge's, such as `outcome=server_error`
 */
export function edgeQuestion({ queryApi }: Links, route: string, ...filters: readonly string[]): string {
  const names = EDGE_LABELS.map(
    (label) =>
      `{{ if not (match "^(${NAMELESS}|)$" $labels.${label}) }}&${label}={{ $labels.${label} | urlquery }}{{ end }}`,
  );
  return `${queryApi}/v1/${route}?${['since=15m', ...filters].join('&')}${names.join('')}`;
}
