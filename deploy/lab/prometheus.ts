/** Debian's Prometheus as a process of a test or of the demo: scrapes what it is given and evaluates rule files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { temporaryFolder } from './folder.ts';
import { freePorts } from './ports.ts';
import { type Place, type Program, start } from './program.ts';
import { removeNow } from './registry.ts';
import { eventually } from './wait.ts';

const READY_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 10_000;

/** One entry of `scrape_configs`, as Prometheus writes it; further keys of its own are passed on. */
export interface ScrapeConfig {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[]; readonly labels?: Record<string, string> }[];
  readonly [key: string]: unknown;
}

/** What Prometheus does. */
export interface PrometheusOptions {
  readonly scrape: readonly ScrapeConfig[];
  /** Absolute paths of rule files. Default: none. */
  readonly ruleFiles?: readonly string[];
  /** Between two scrapes of a target, in milliseconds. Default 1000. */
  readonly scrapeIntervalMs?: number;
  /** Between two evaluations of the rules, in milliseconds. Default 1000. A group may say its own. */
  readonly evaluationIntervalMs?: number;
  /** Port of 127.0.0.1 to listen on. Default: a free one. */
  readonly port?: number;
  /** Where it runs. Default: where the caller runs. It listens on the loopback address of that namespace. */
  readonly place?: Place;
}

/** One series of an answer: at one time (`value`) or over a range (`values`); times are Unix seconds. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

/** One alert that waits for its `for`, or fires. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
  readonly activeAt: string;
  readonly value: string;
}

/** One exemplar of a series. */
export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
  readonly timestamp: number;
}

/** A scraped target as Prometheus sees it. */
export interface Target {
  readonly scrapePool: string;
  readonly scrapeUrl: string;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

/** A rule of a loaded file, with what its last evaluation said. */
export interface Rule {
  readonly name: string;
  readonly type: 'recording' | 'alerting';
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}

/** A running Prometheus. */
export interface Prometheus {
  readonly url: string;
  readonly program: Program;
  /** Value of an expression now, or at a time in Unix seconds. */
  query(expression: string, time?: number): Promise<Series[]>;
  /** Values of an expression from `start` to `end` (Unix seconds), one for each `step` (seconds). */
  queryRange(expression: string, start: number, end: number, step: number): Promise<Series[]>;
  /** Exemplars of the series that an expression selects, from `start` to `end` (Unix seconds). */
  exemplars(expression: string, start: number, end: number): Promise<Exemplar[]>;
  /** Alerts that are pending or firing. */
  alerts(): Promise<Alert[]>;
  rules(): Promise<Rule[]>;
  targets(): Promise<Target[]>;
  /** Resolves when every target has been scraped well at least once. Prometheus looks for targets 5 s after its start. */
  up(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** The configuration file's text. */
function configuration(options: PrometheusOptions): string {
  const { scrape, ruleFiles = [], scrapeIntervalMs = 1_000, evaluationIntervalMs = 1_000 } = options;
  return stringify({
    global: {
      scrape_interval: `${scrapeIntervalMs}ms`,
      scrape_timeout: `${scrapeIntervalMs}ms`,
      evaluation_interval: `${evaluationIntervalMs}ms`,
    },
    rule_files: ruleFiles,
    scrape_configs: scrape,
  });
}

/** Asks one path of the HTTP API. Throws what Prometheus says if it refuses. */
async function ask<T>(url: string, path: string, parameters: Record<string, string | number> = {}): Promise<T> {
  const query = new URLSearchParams(
    Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const response = await fetch(`${url}/api/v1/${path}?${query}`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
  const answer = (await response.json()) as { status: string; data: T; error?: string };
  if (answer.status !== 'success') throw new Error(`prometheus: ${path}: ${answer.error}\n${parameters.query ?? ''}`);
  return answer.data;
}

/**
 * Starts Prometheus with exemplar storage, on loopback, with a data folder that is removed at the test's end; resolves
 * when it answers, before the first scrape.
 * @throws with what it printed, if it does not become ready within 30 s or refuses its configuration
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const folder = temporaryFolder();
  const file = join(folder, 'prometheus.yml');
  writeFileSync(file, configuration(options));
  mkdirSync(join(folder, 'data'));
  const port = options.port ?? (await freePorts(1))[0];
  const url = `http://127.0.0.1:${port}`;
  const program = start(options.place ?? {}, [
    'prometheus',
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--enable-feature=exemplar-storage',
    '--log.level=warn',
  ]);
  const stop = async (): Promise<void> => {
    await program.stop();
    removeNow('folder', folder);
  };
  try {
    await eventually('Prometheus', () => isReady(url, program), READY_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${program.output()}`);
  }
  const targets = async () =>
    (await ask<{ activeTargets: Target[] }>(url, 'targets', { state: 'active' })).activeTargets;
  return {
    url,
    program,
    query: async (query, time) =>
      (await ask<{ result: Series[] }>(url, 'query', time === undefined ? { query } : { query, time })).result,
    queryRange: async (query, from, to, step) =>
      (await ask<{ result: Series[] }>(url, 'query_range', { query, start: from, end: to, step })).result,
    exemplars: async (query, from, to) =>
      (await ask<{ exemplars: Exemplar[] }[]>(url, 'query_exemplars', { query, start: from, end: to })).flatMap(
        ({ exemplars }) => exemplars,
      ),
    alerts: async () => (await ask<{ alerts: Alert[] }>(url, 'alerts')).alerts,
    rules: async () => (await ask<{ groups: { rules: Rule[] }[] }>(url, 'rules')).groups.flatMap(({ rules }) => rules),
    targets,
    up: (timeoutMs = READY_TIMEOUT_MS) => allUp(targets, options.scrape, timeoutMs),
    stop,
  };
}

async function isReady(url: string, program: Program): Promise<boolean> {
  if (program.process.exitCode !== null) throw new Error('Prometheus ended early');
  return fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

async function allUp(
  targets: () => Promise<Target[]>,
  scrape: readonly ScrapeConfig[],
  timeoutMs: number,
): Promise<void> {
  const wanted = scrape.flatMap((config) => config.static_configs.flatMap((each) => each.targets)).length;
  let seen: Target[] = [];
  try {
    await eventually(
      'Prometheus to scrape its targets',
      async () => {
        seen = await targets();
        return seen.length >= wanted && seen.every(({ health }) => health === 'up');
      },
      timeoutMs,
    );
  } catch (error) {
    const states = seen.map(({ scrapeUrl, health, lastError }) => `${scrapeUrl} ${health} ${lastError}`);
    throw new Error([(error as Error).message, ...states].join('\n'));
  }
}
