/** What a promtool test says, and how what is expected of an alert is written. */
import { alertRules } from '../render.ts';
import type { Edge, InputSeries } from './series.ts';

/** An alert that must fire. */
export interface Expected {
  readonly exp_labels: Readonly<Record<string, string>>;
  readonly exp_annotations: Readonly<Record<string, string>>;
}

/** One test: series, and which alerts fire at which minute. */
export interface Scenario {
  readonly name: string;
  readonly series: readonly InputSeries[];
  readonly alerts: readonly { readonly minute: number; readonly alert: string; readonly firing: readonly Expected[] }[];
  /** Values of expressions at a minute, by the labels of each sample. */
  readonly values?: readonly {
    readonly minute: number;
    readonly expr: string;
    readonly samples: readonly { readonly labels: string; readonly value: number }[];
  }[];
}

/** At these minutes an alert waits for its `for`, fires, and has resolved. See series.ts: it is wrong for 30 minutes. */
export const WAITING = 1;
export const FIRING = 29;
export const RESOLVED = 55;

/** The alert fires only in the middle of the time. */
export function firesInBetween(alert: string, ...firing: readonly Expected[]): Scenario['alerts'] {
  return [
    { minute: WAITING, alert, firing: [] },
    { minute: FIRING, alert, firing },
    { minute: RESOLVED, alert, firing: [] },
  ];
}

/** The alert never fires. */
export function isSilent(alert: string): Scenario['alerts'] {
  return [WAITING, FIRING, RESOLVED].map((minute) => ({ minute, alert, firing: [] }));
}

function rule(alert: string) {
  const found = alertRules().find((candidate) => candidate.alert === alert);
  if (found === undefined) throw new Error(`there is no alert ${alert}`);
  return found;
}

function expected(
  alert: string,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): Expected {
  const { severity, summary } = rule(alert);
  return {
    exp_labels: { severity, ...labels },
    exp_annotations: { summary, runbook_url: `dashboards/runbooks/${alert}.md`, ...annotations },
  };
}

const EDGE_ORDER = [
  'cluster',
  'source_namespace',
  'source_workload',
  'destination_namespace',
  'destination_workload',
] as const;

/**
 * An alert about an edge.
 * @param description what must be said of it, from its names on
 * @param question route and parameters of the first question, before the edge's
 */
export function edgeAlert(alert: string, edge: Edge, description: string, question: string): Expected {
  const given = EDGE_ORDER.filter((label) => edge[label] !== undefined);
  const known = given.filter((label) => !/^(unknown|_overflow)$/.test(edge[label]!));
  const variables = EDGE_ORDER.map((label) => `var-${label}=${encodeURIComponent(edge[label] ?? '')}`);
  const names = known.map((label) => `&${label}=${encodeURIComponent(edge[label]!)}`);
  return expected(alert, Object.fromEntries(given.map((label) => [label, edge[label]!])), {
    description,
    dashboard_url: `http://127.0.0.1:3000/d/flowspan-edge?${variables.join('&')}`,
    first_query: `http://127.0.0.1:7470/v1/${question}${names.join('')}`,
  });
}

/** An alert about Flowspan itself. */
export function ownAlert(alert: string, labels: Readonly<Record<string, string>>, description: string): Expected {
  return expected(alert, labels, {
    description,
    dashboard_url: 'http://127.0.0.1:3000/d/flowspan-health',
    first_query: 'http://127.0.0.1:7470/v1/edges?since=15m',
  });
}
