/** The store and the query API as they run in production, over a folder that is there already. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pino from 'pino';
import { loadConfig } from '../../../collector/src/config.ts';
import { type RunningQueryApi, startQueryApi } from '../../../query-api/src/main.ts';

const FLOWSPAN_STORE = join(import.meta.dirname, '../../store/run_store.ts');
/** No question is cut off: what it takes is what is measured. */
const PATIENCE_S = 120;
/** The byte budget is not what is measured. */
const BUDGET_BYTES = 1024 ** 4;

/** An answer and how long it took, milliseconds. */
export interface Timed {
  readonly ms: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of several routes
  readonly body: any;
}

/** Store and API that run. */
export interface Served {
  /** Asks the API and reads the whole answer. */
  ask(path: string): Promise<Timed>;
  /** Asks the store itself as a reader does. */
  sql(query: string): Promise<{ readonly ms: number; readonly text: string }>;
  close(): Promise<void>;
}

async function listenOf(store: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: store.stdout! })) {
    const listen = /"listen":"([^"]+)"/.exec(line)?.[1];
    if (listen !== undefined) return listen;
  }
  throw new Error('FLOW_BENCH_STORE: the store ended before it listened; run it by hand on the folder');
}

/** Starts both; the store is a new process, whose caches are empty. */
export async function serve(dataDir: string): Promise<Served> {
  const flags = ['--data-dir', dataDir, '--store-listen', '127.0.0.1:0', '--store-byte-budget', String(BUDGET_BYTES)];
  const store = spawn(process.execPath, [FLOWSPAN_STORE, ...flags, '--store-max-execution-s', String(PATIENCE_S)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = `http://${await listenOf(store)}`;
  const config = loadConfig(['--clickhouse-url', url, '--query-api-listen', '127.0.0.1:0'], {});
  const own = { ...config.query_api, collectors: [], max_execution_s: PATIENCE_S };
  const api: RunningQueryApi = await startQueryApi({ ...config, query_api: own }, pino({ level: 'silent' }));
  const timed = async (address: string, body?: string) => {
    const begun = performance.now();
    const response = await fetch(address, body === undefined ? {} : { method: 'POST', body });
    const text = await response.text();
    if (!response.ok) throw new Error(`FLOW_BENCH_ANSWER: ${response.status} ${text.slice(0, 500)}; ask it by hand`);
    return { ms: performance.now() - begun, text };
  };
  return {
    async ask(path) {
      const { ms, text } = await timed(`http://${api.listen}${path}`);
      return { ms, body: JSON.parse(text) };
    },
    sql: (query) => timed(`${url}/?database=flowspan`, query),
    async close() {
      await api.close();
      const ended = once(store, 'exit');
      store.kill('SIGTERM');
      await ended;
    },
  };
}
