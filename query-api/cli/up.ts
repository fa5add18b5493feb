/** `flowspan up`: store, collector and query-api of one machine, started in order, supervised, and stopped together. */
import { spawn } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, loadConfig, parseListen } from '../../collector/src/config.ts';
import { stepsWanted } from '../../collector/src/config_dataplane.ts';
import { Child, type ChildOptions } from './child.ts';
import { formatLine } from './log_line.ts';
import { PARENT_VARIABLE } from './parent.ts';

const DEFAULT_CLICKHOUSE_URL = 'http://127.0.0.1:8123';
const DEFAULT_COLLECTOR_URL = 'http://127.0.0.1:7471';
const DEFAULT_QUERY_API_URL = 'http://127.0.0.1:7470';
const READY_TIMEOUT_MS = 60_000;

const HELP = `Usage: flowspan up [--config FILE] [flags]

Starts the embedded store, the collector and the query API on this machine, restarts one that crashes, and stops all
three on Ctrl-C or SIGTERM. With clickhouse.url set (FLOWSPAN_CLICKHOUSE_URL, with FLOWSPAN_CLICKHOUSE_USER, _PASSWORD
and _DATABASE) that server is used and no store is started.

On a terminal it follows live flows and requests; --no-follow leaves that out. Every key of the configuration is a flag
as well: --data-dir DIR, --collector-flow-interval-s 5, --query-api-listen 127.0.0.1:7480, ...
`;

/** A setting that `up` cannot work with; `code` is FLOW_UP_PORT. */
export class UpError extends Error {
  readonly code = 'FLOW_UP_PORT';
}

/**
 * URL at which this machine reaches a `listen` value. Port 0 is refused: the other processes must know the port.
 * @throws UpError
 */
function urlOf(key: string, listen: string): string {
  const parsed = parseListen(listen);
  if (parsed === undefined || parsed.port === 0) {
    throw new UpError(`${key}: ${listen}: with up every process needs a fixed port; give one from 1 to 65535`);
  }
  const host = parsed.host === '0.0.0.0' ? '127.0.0.1' : parsed.host === '::' ? '::1' : parsed.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${parsed.port}`;
}

/** What `up` runs, decided from the configuration before anything is started. */
export interface Plan {
  /** URL of ClickHouse's HTTP interface, embedded or not. */
  readonly clickhouseUrl: string;
  readonly embedded: boolean;
  readonly collectorUrl: string;
  readonly queryApiUrl: string;
  /** Environment of the children, besides the own. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Decides what to run. The store is left out when a ClickHouse was named: a URL in environment or flags, one in the
 * configuration file that is not the default, or a user.
 * @throws UpError
 */
export function plan(argv: readonly string[], env: NodeJS.ProcessEnv, config: Config): Plan {
  const named =
    (env.FLOWSPAN_CLICKHOUSE_URL ?? '') !== '' ||
    argv.some((flag) => flag.split('=')[0] === '--clickhouse-url') ||
    config.clickhouse.url !== DEFAULT_CLICKHOUSE_URL ||
    config.clickhouse.user !== '';
  const collectorUrl = urlOf('collector.listen', config.collector.listen);
  const queryApiUrl = urlOf('query_api.listen', config.query_api.listen);
  const clickhouseUrl = named ? config.clickhouse.url : urlOf('store.listen', config.store.listen);
  const children: Record<string, string> = { FLOWSPAN_CLICKHOUSE_URL: clickhouseUrl };
  if (config.query_api.collectors.join() === DEFAULT_COLLECTOR_URL) {
    children.FLOWSPAN_QUERY_API_COLLECTORS = collectorUrl;
  }
  return { clickhouseUrl, embedded: !named, collectorUrl, queryApiUrl, env: children };
}

/** Starts everything, waits for a signal, stops everything. Resolves with the exit code. */
export async function main(args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  const argv = args.filter((flag) => flag !== '--no-follow');
  const follow = process.stdout.isTTY === true && !args.includes('--no-follow');
  const config = loadConfig(argv, process.env);
  const { clickhouseUrl, embedded, collectorUrl, queryApiUrl, env } = plan(argv, process.env, config);

  const say = (text: string): void => void process.stderr.write(`flowspan: ${text}\n`);
  let following = false;
  const onLine = (name: string, line: string): void => {
    const shown = process.stderr.isTTY === true ? formatLine(name, line, following ? 'warn' : 'info') : line;
    if (shown !== undefined) process.stderr.write(`${shown}\n`);
  };
  const child = (name: string): Child => {
    const options: ChildOptions = {
      name,
      argv,
      env: { ...process.env, ...env },
      readyTimeoutMs: READY_TIMEOUT_MS,
      onLine,
      onNote: say,
    };
    return new Child(options);
  };

  const store = embedded ? [child('store')] : [];
  const collector = child('collector');
  const queryApi = child('query-api');
  const stop = new StopSignal();
  let follower: AbortController | undefined;
  try {
    for (const each of [...store, collector, queryApi]) {
      say(`starting ${each.name}`);
      const began = performance.now();
      const stopped = await Promise.race([each.start(), stop.signalled]);
      if (stopped !== undefined) return 0;
      say(`${each.name} is ready (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    }
    const shell = relative('.', fileURLToPath(new URL('./flowspan', import.meta.url)));
    const flags = queryApiUrl === DEFAULT_QUERY_API_URL ? '' : ` --server ${queryApiUrl}`;
    const statusFlags = collectorUrl === DEFAULT_COLLECTOR_URL ? flags : `${flags} --collector ${collectorUrl}`;
    say(`ready
  query API        ${queryApiUrl}  (/v1/flows, /v1/requests, /v1/edges, /openapi.json)
  live feed        ${queryApiUrl.replace('http', 'ws')}/v1/live
  ClickHouse       ${clickhouseUrl}  (${embedded ? `embedded, data in ${config.data_dir}` : 'yours'}, database ${config.clickhouse.database})
  collector        ${collectorUrl}/status
  Prometheus       ${[collectorUrl, queryApiUrl, ...(embedded ? [clickhouseUrl] : [])].map((url) => `${url}/metrics`).join('  ')}
  command line     ${shell} observe --follow${flags}; ${shell} status${statusFlags}
Ctrl-C stops everything.`);
    process.on('SIGHUP', () => (follow ? stop.signal() : collector.signal('SIGHUP')));
    if (follow) {
      following = true;
      follower = followLive(queryApiUrl, [clickhouseUrl, collectorUrl, queryApiUrl], config.query_api.token, say);
    }
    await stop.signalled;
    return 0;
  } finally {
    follower?.abort();
    // The collector hands its last rows to the store, so the store goes last.
    const inOrder = [collector, queryApi, ...store];
    stop.onAgain(() => {
      for (const each of inOrder) each.kill();
    });
    say('stopping');
    for (const each of inOrder) await each.stop();
    stop.release();
    const stays = stepsWanted(config.dataplane).length > 0 && config.collector.pin_dir !== '';
    say(stays ? 'stopped; the data plane goes on: flowspan cleanup removes it' : 'stopped; nothing is attached');
  }
}

const portOf = (url: string): string => {
  const { port, protocol } = new URL(url);
  return port || (protocol === 'https:' ? '443' : '80');
};

/** Follows live flows and requests on this terminal until aborted, those of Flowspan's own ports (`own`) left out. */
function followLive(
  server: string,
  own: readonly string[],
  token: string,
  say: (text: string) => void,
): AbortController {
  const controller = new AbortController();
  const command = fileURLToPath(new URL('./flowspan.ts', import.meta.url));
  const withoutOwn = own.flatMap((url) => ['--not', '--port', portOf(url)]);
  const observe = spawn(process.execPath, [command, 'observe', '--follow', '--server', server, ...withoutOwn], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, [PARENT_VARIABLE]: 'stdin', FLOWSPAN_QUERY_API_TOKEN: token },
    detached: true,
    signal: controller.signal,
  });
  observe.on('error', (error) => {
    if (error.name !== 'AbortError') say(`cannot follow live: ${error.message}`);
  });
  return controller;
}

/** The first SIGINT or SIGTERM resolves `signalled`; a further one calls what `onAgain` was given. */
class StopSignal {
  readonly signalled: Promise<true>;
  #resolve: (value: true) => void = () => {};
  #again: (() => void) | undefined;
  readonly #listener = (): void => this.signal();

  constructor() {
    this.signalled = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, this.#listener);
  }

  signal(): void {
    this.#again?.();
    this.#resolve(true);
  }

  onAgain(act: () => void): void {
    this.#again = act;
  }

  release(): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, this.#listener);
  }
}
