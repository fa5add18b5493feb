/** `flowspan status`: what is attached, rates, losses, lag. */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Completeness } from '../src/completeness.ts';
import { UsageError } from './filter_flags.ts';
import { ClientError, getJson } from './observe_client.ts';
import { incompleteness, printable } from './observe_format.ts';

/** Exit codes, for scripts. */
export const EXIT = { sound: 0, unreachable: 1, usage: 2, impaired: 3 } as const;

/** What the collector says of one program; see the collector's GET /status. */
interface Program {
  readonly name: string;
  readonly attached: boolean;
  readonly required: boolean;
  readonly reason: string;
  readonly missing: string;
}

/** What the collector's GET /status answers, as far as it is shown here. */
export interface CollectorStatus {
  readonly version: string;
  readonly node: string;
  readonly started: string;
  readonly programs: readonly Program[];
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly kernel_discards: Readonly<Record<string, number>>;
  readonly lag_ms: number;
  readonly endpoints: number;
}

/** What is known of one machine. */
export interface Status {
  readonly collector: string;
  /** Undefined if the collector does not answer. */
  readonly status: CollectorStatus | undefined;
  /** Rows stored per second, by kind. */
  readonly rates: Readonly<Record<string, number>>;
  /** Seconds over which the rates were taken. */
  readonly seconds: number;
}

/** What is known of the query API and its store. */
export interface ApiStatus {
  readonly server: string;
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason: string;
  /** Of the last five minutes; undefined if it could not be asked. */
  readonly completeness: Completeness | undefined;
}

const HELP = `Usage: flowspan status [--collector URL]... [--server URL] [-o text|json]

Shows what each collector has attached, what it stores per second, what was lost or shed, how far the stored rows trail, and
whether the query API answers.

  --collector URL   a collector (default http://127.0.0.1:7471); may be given several times
  --server URL      the query API (default http://127.0.0.1:7470, or FLOWSPAN_SERVER)
  -o, --output      text (default) or json

Tokens are taken from FLOWSPAN_COLLECTOR_TOKEN and FLOWSPAN_QUERY_API_TOKEN.
Exit codes: 0 all is well, 1 somebody does not answer, 2 wrong usage, 3 something is not attached, was lost or was shed.
`;

const SAMPLE_MS = 1_000;

function options(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        collector: { type: 'string', multiple: true },
        server: { type: 'string' },
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const output = values.output ?? 'text';
    if (output !== 'text' && output !== 'json') throw new Error(`--output: '${output}' is not one of text, json`);
    return { ...values, output };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan status --help' lists the flags`);
  }
}

/** The collector's token where getJson looks for the API's. */
const collectorEnv = () => ({ FLOWSPAN_QUERY_API_TOKEN: process.env.FLOWSPAN_COLLECTOR_TOKEN });

async function collectorStatus(collector: string): Promise<Status> {
  const url = `${collector.replace(/\/$/, '')}/status`;
  try {
    const [before, begin] = [await getJson<CollectorStatus>(url, collectorEnv()), performance.now()];
    await sleep(SAMPLE_MS);
    const status = await getJson<CollectorStatus>(url, collectorEnv());
    const seconds = (performance.now() - begin) / 1000;
    const rates = Object.entries(status.counters).map(([kind, counts]) => {
      const stored = (counts.stored ?? 0) - (before.counters[kind]?.stored ?? 0);
      return [kind, Math.max(0, stored) / seconds] as const;
    });
    return { collector, status, rates: Object.fromEntries(rates), seconds };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { collector, status: undefined, rates: {}, seconds: 0 };
  }
}

async function apiStatus(server: string): Promise<ApiStatus> {
  try {
    await getJson(`${server}/readyz`, process.env);
    const answer = await getJson<{ completeness: Completeness }>(
      `${server}/v1/tcp-events?since=5m&until=15s&limit=1`,
      process.env,
    );
    return { server, ready: true, reason: '', completeness: answer.completeness };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { server, ready: false, reason: `${error.code}: ${error.message}`, completeness: undefined };
  }
}

const lostOf = (status: CollectorStatus) =>
  Object.entries(status.counters).filter(([, counts]) => (counts.lost ?? 0) > 0);

/** Exit code for what was found. */
export function exitCodeOf(collectors: readonly Status[], api: ApiStatus): number {
  if (!api.ready || collectors.some(({ status }) => status === undefined)) return EXIT.unreachable;
  const impaired = collectors.some(
    ({ status }) => status!.programs.some((program) => !program.attached) || lostOf(status!).length > 0,
  );
  const { lost = [], shed = [] } = api.completeness ?? {};
  return impaired || lost.length + shed.length > 0 ? EXIT.impaired : EXIT.sound;
}

const pad = (cells: readonly (readonly [string, number])[]) =>
  cells
    .map(([text, width]) => text.padEnd(width))
    .join('  ')
    .trimEnd();

function collectorLines({ collector, status, rates, seconds }: Status): string[] {
  if (status === undefined) return [`collector ${collector}: does not answer`];
  const { programs } = status;
  const attached = programs.filter((program) => program.attached).length;
  const width = Math.max(...programs.map((program) => program.name.length), 8);
  const missing = programs.filter((program) => !program.attached);
  const kinds = Object.entries(status.counters).map(([kind, counts]) =>
    pad([
      [kind, 12],
      [`${(rates[kind] ?? 0).toFixed(1)}/s stored`, 18],
      [`${counts.stored ?? 0} stored`, 18],
      [`${(counts.aggregated ?? 0) + (counts.shed ?? 0)} counted only`, 18],
      [`${counts.lost ?? 0} lost`, 12],
    ]),
  );
  const discards = Object.entries(status.kernel_discards).filter(([, count]) => count > 0);
  return [
    `collector ${collector}: ${status.node}, version ${status.version}, since ${status.started}`,
    `  attached ${attached} of ${programs.length} programs, ${status.endpoints} endpoints known, rows trail by ${(status.lag_ms / 1000).toFixed(1)} s`,
    ...missing.map(
      ({ name, required, reason, missing: what }) =>
        `  NOT ATTACHED ${pad([[name, width]])}  ${required ? 'required' : 'optional'}: ${reason}${what === '' ? '' : `; missing: ${what}`}`,
    ),
    ...kinds.map((line) => `  ${line}`),
    ...(discards.length === 0
      ? []
      : [`  given up in the kernel: ${discards.map(([reason, count]) => `${reason}=${count}`).join(' ')}`]),
    `  (rates over ${seconds.toFixed(1)} s)`,
  ].map(printable);
}

function apiLines({ server, ready, reason, completeness }: ApiStatus): string[] {
  if (!ready) return [`query API ${server}: ${printable(reason)}`];
  const watermark = completeness?.watermark ?? 'no report yet';
  return [
    `query API ${server}: answers, rows complete up to ${watermark}`,
    `  last five minutes: ${(completeness && incompleteness(completeness)) ?? 'nothing lost, nothing unobserved'}`,
  ];
}

/**
 * Runs the command.
 * @returns exit code: see EXIT
 */
export async function main(argv: string[]): Promise<number> {
  let asked: ReturnType<typeof options>;
  try {
    asked = options(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return EXIT.usage;
  }
  if (asked.help) {
    process.stdout.write(HELP);
    return EXIT.sound;
  }
  const server = (asked.server ?? process.env.FLOWSPAN_SERVER ?? 'http://127.0.0.1:7470').replace(/\/$/, '');
  const [api, ...collectors] = await Promise.all([
    apiStatus(server),
    ...(asked.collector ?? ['http://127.0.0.1:7471']).map(collectorStatus),
  ]);
  const text =
    asked.output === 'json'
      ? `${JSON.stringify({ collectors, query_api: api })}\n`
      : `${[...collectors.flatMap(collectorLines), ...apiLines(api)].join('\n')}\n`;
  process.stdout.write(text);
  return exitCodeOf(collectors, api);
}
