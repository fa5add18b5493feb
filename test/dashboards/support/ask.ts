/** Runs the queries of panels and variables, expanded as Grafana expands them. */
import type { Prometheus, Series } from '../../../deploy/lab/prometheus.ts';
import { expandPromql, expandSql, type VariableValue, type View } from './expand.ts';
import type { RenderedVariable, Target } from './rendered.ts';

/** Where queries go to. */
export interface Sources {
  readonly prometheus: Pick<Prometheus, 'url' | 'query' | 'queryRange'>;
  readonly storeUrl: string;
  readonly view: View;
}

/** Longer than a statement may run (PATIENCE). */
const LONGEST_MS = 65_000;

export type Values = Readonly<Record<string, VariableValue>>;

/** Rows of a statement, as the reader. */
export async function askStore(storeUrl: string, sql: string): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${storeUrl}/?database=flowspan&default_format=JSON`, {
    method: 'POST',
    body: sql,
    signal: AbortSignal.timeout(LONGEST_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text.slice(0, 600));
  return (JSON.parse(text) as { data: Record<string, unknown>[] }).data;
}

const isNumber = (value: string) => !['NaN', '+Inf', '-Inf'].includes(value);

function hasNumber({ value, values }: Series): boolean {
  return (values ?? [value]).some(([, text]) => isNumber(text));
}

/** How many rows or series with a number a panel's query brings; throws if the data source refuses it. */
export async function answersOf(
  target: Target,
  values: Values,
  { prometheus, storeUrl, view }: Sources,
): Promise<number> {
  if (target.rawSql !== undefined) return (await askStore(storeUrl, expandSql(target.rawSql, values, view))).length;
  const expression = expandPromql(target.expr ?? '', values, view);
  const series = target.instant
    ? await prometheus.query(expression, view.to)
    : await prometheus.queryRange(expression, view.from, view.to, view.intervalS);
  return series.filter(hasNumber).length;
}

/** What a variable's query offers. Only `label_values(series, label)` is used. */
export async function optionsOf(variable: RenderedVariable, values: Values, sources: Sources): Promise<string[]> {
  const { prometheus, view } = sources;
  const query = typeof variable.query === 'string' ? variable.query : (variable.query?.query ?? '');
  // packages/grafana-prometheus/src/migrations/variableMigration.ts, PrometheusLabelValuesRegex
  const match = /^label_values\((?:(.+),\s*)?([a-zA-Z_$][a-zA-Z0-9_]*)\)\s*$/.exec(expandPromql(query, values, view));
  if (match?.[1] === undefined) throw new Error(`${variable.name}: ${query} is no label_values`);
  const parameters = new URLSearchParams({ 'match[]': match[1], start: `${view.from}`, end: `${view.to}` });
  const response = await fetch(`${prometheus.url}/api/v1/label/${match[2]}/values?${parameters}`);
  const answer = (await response.json()) as { status: string; data: string[]; error?: string };
  if (answer.status !== 'success') throw new Error(`${variable.name}: ${answer.error}`);
  return answer.data;
}
