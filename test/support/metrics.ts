/** What a process answers to GET /metrics, read by programs that are not ours. */
import { spawnSync } from 'node:child_process';

/** One line of an answer. */
export interface MetricLine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly exemplar?: { readonly labels: Readonly<Record<string, string>>; readonly value: number };
}

/** One family of an answer. */
export interface MetricFamily {
  /** As OpenMetrics has it: without `_total`. */
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  readonly lines: readonly MetricLine[];
}

const READER = `
import json, math, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
text = sys.stdin.buffer.read().decode('utf-8')
def line(sample):
    value = sample.value if math.isfinite(sample.value) else str(sample.value)
    out = {'name': sample.name, 'labels': sample.labels, 'value': value}
    if sample.exemplar: out['exemplar'] = {'labels': sample.exemplar.labels, 'value': sample.exemplar.value}
    return out
json.dump([{'name': family.name, 'type': family.type, 'unit': family.unit, 'help': family.documentation,
            'lines': [line(sample) for sample in family.samples]} for family in openmetrics(text)], sys.stdout)
`;
/** Debian's own Python: the one its package is for. */
const PYTHON = '/usr/bin/python3';

/** Why the judges cannot be asked here; undefined if they can. For a test's `skip`. */
export function whyNoJudge(): string | undefined {
  if (spawnSync('promtool', ['--version']).error !== undefined) return 'promtool is not installed (Debian: prometheus)';
  const python = spawnSync(PYTHON, ['-c', 'import prometheus_client']);
  return python.status === 0 ? undefined : 'python3-prometheus-client is not installed';
}

/**
 * Reads OpenMetrics text with Prometheus' own Python library, which judges strictly: types, units, suffixes, order and
 * canonical numbers, buckets that grow, exemplars where they may be, the end mark.
 * @throws what it dislikes
 */
export function readOpenMetrics(text: string): MetricFamily[] {
  const read = spawnSync(PYTHON, ['-c', READER], { input: text, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (read.status !== 0) throw new Error(`no OpenMetrics text: ${read.stderr.trim().split('\n').at(-1)}`);
  // JSON has no NaN and no infinity: they come as words.
  return JSON.parse(read.stdout, (key, value) => {
    if (key !== 'value' || typeof value !== 'string') return value;
    return value === 'inf' ? Number.POSITIVE_INFINITY : Number.NaN;
  }) as MetricFamily[];
}

/** What `promtool check metrics` says of text format 0.0.4; empty if it has nothing against it. */
export function promtoolComplaints(text: string): string {
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return checked.status === 0 ? '' : `${checked.status}: ${checked.stdout}${checked.stderr}`;
}

/** All lines, by name and sorted labels: `name{a="b"}`. */
export function byName(families: readonly MetricFamily[]): Map<string, number> {
  return new Map(families.flatMap(({ lines }) => lines.map((line) => [seriesName(line), line.value])));
}

/** Name and sorted labels of a line. */
export function seriesName({ name, labels }: Pick<MetricLine, 'name' | 'labels'>): string {
  const words = Object.keys(labels)
    .toSorted()
    .map((label) => `${label}=${JSON.stringify(labels[label])}`);
  return `${name}{${words.join(',')}}`;
}
