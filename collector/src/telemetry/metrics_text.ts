/** Prometheus' two text formats. prom-client's own OpenMetrics answer takes `_total` off a counter's name for good. */
import { setImmediate as turn } from 'node:timers/promises';

/** `text` is Prometheus' 0.0.4, `openmetrics` is OpenMetrics 1.0.0: with units, exemplars and an end mark. */
export type MetricsFormat = 'text' | 'openmetrics';

/** A request that is an example of what a bucket counts. */
export interface Exemplar {
  /** As they stand between the braces. */
  readonly labels: string;
  readonly value: number;
  /** When it was, seconds since the epoch. */
  readonly seconds: number;
}

/** One line. */
export interface Sample {
  /** What the line's name has behind the family's: `_bucket`, `_sum`, `_count` of a histogram, else empty. */
  readonly suffix: string;
  /** As they stand between the braces; empty for none. */
  readonly labels: string;
  readonly value: number;
  readonly exemplar?: Exemplar | undefined;
}

/** All series of one name. */
export interface Family {
  /** With `_total` if it is a counter; its unit stands before that. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: Iterable<Sample>;
}

export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Lines of one piece. */
const LINES_AT_ONCE = 500;
const UNIT = /_(seconds|bytes)$/;

/** The format that an Accept header prefers; text where it has no preference. */
export function formatOf(accept: string | undefined): MetricsFormat {
  const wish = { text: 0, openmetrics: 0 };
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((one) => one.trim().toLowerCase());
    const q = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    if (type === 'application/openmetrics-text') wish.openmetrics = Math.max(wish.openmetrics, q);
    else if (['text/plain', 'text/*', '*/*'].includes(type)) wish.text = Math.max(wish.text, q);
  }
  return wish.openmetrics > 0 && wish.openmetrics >= wish.text ? 'openmetrics' : 'text';
}

/** Labels as they stand between the braces. */
export function labelsText(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${String(value)
          .toWellFormed()
          .replace(/[\\"\n]/g, escaped)}"`,
    )
    .join(',');
}

/** Text of a bucket's upper bound, `1.0` and not `1` in both formats: the same series whichever was asked for. */
export function boundText(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : numberText(bound);
}

/** Writes families one behind the other, in pieces between which other work of the process gets its turn. */
export async function* metricsText(families: Iterable<Family>, format: MetricsFormat): AsyncGenerator<string> {
  let lines: string[] = [];
  for (const family of families) {
    lines.push(head(family, format));
    for (const sample of family.samples) {
      lines.push(line(family.name, sample, format));
      if (lines.length < LINES_AT_ONCE) continue;
      yield lines.join('');
      lines = [];
      await turn();
    }
  }
  if (format === 'openmetrics') lines.push('# EOF\n');
  yield lines.join('');
}

function head({ name, help, type }: Family, format: MetricsFormat): string {
  const told = help.replace(format === 'text' ? /[\\\n]/g : /[\\"\n]/g, escaped);
  if (format === 'text') return `# HELP ${name} ${told}\n# TYPE ${name} ${type}\n`;
  // OpenMetrics names a counter's family without what its lines end in
  const family = type === 'counter' ? name.replace(/_total$/, '') : name;
  const unit = UNIT.exec(family)?.[1];
  return `# TYPE ${family} ${type}\n${unit === undefined ? '' : `# UNIT ${family} ${unit}\n`}# HELP ${family} ${told}\n`;
}

function line(name: string, { suffix, labels, value, exemplar }: Sample, format: MetricsFormat): string {
  const series = `${name}${suffix}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}`;
  if (exemplar === undefined || format === 'text') return `${series}\n`;
  return `${series} # {${exemplar.labels}} ${numberText(exemplar.value)} ${exemplar.seconds}\n`;
}

function numberText(value: number): string {
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
