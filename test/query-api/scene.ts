/** A query API over a store of its own, with the schema in place, and requests to it over HTTP. */
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import pino from 'pino';
import { type Config, loadConfig } from '../../collector/src/config.ts';
import { type RunningQueryApi, startQueryApi } from '../../query-api/src/main.ts';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import type { Table } from '../../store/tables.ts';
import { RunningStore } from '../store/running_store.ts';

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** The body as JSON; undefined if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with what tests expect, field by field
  readonly body: any;
}

/** What a test can do with the API. */
export class Scene {
  readonly store: RunningStore;
  readonly #writer: ClickHouseClient;
  readonly #api: RunningQueryApi;

  private constructor(store: RunningStore, writer: ClickHouseClient, api: RunningQueryApi) {
    this.store = store;
    this.#writer = writer;
    this.#api = api;
  }

  /**
   * Starts store and API on free ports.
   * @param own keys of `query_api` that differ from the defaults
   * @param storeFlags flags of the store
   */
  static async start(own: Partial<Config['query_api']> = {}, storeFlags: readonly string[] = []): Promise<Scene> {
    const store = await RunningStore.start(storeFlags);
    const writer = store.writer();
    await migrate(writer, 'flowspan');
    const config = configFor(store.url, own);
    return new Scene(store, store.writer({ database: 'flowspan' }), await startQueryApi(config, silent()));
  }

  /** http://127.0.0.1:port */
  get url(): string {
    return `http://${this.#api.listen}`;
  }

  /** Inserts rows as the collector does, as RowBinary. */
  async insert(table: Table, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const bytes = Buffer.concat(rows.map((row) => encodeRow(table, row)));
    const { stream } = await this.#writer.exec({
      query: `INSERT INTO ${table.name} ${insertColumns(table)} FORMAT RowBinary`,
      values: Readable.from([bytes], { objectMode: false }),
    });
    stream.resume();
    await finished(stream);
  }

  /** Runs SQL as the one who may write. */
  async command(query: string): Promise<void> {
    await this.#writer.command({ query });
  }

  /** Asks the API. */
  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return await this.#ask(path, { headers });
  }

  /** Asks the API with a body, which is sent as JSON. */
  async post(path: string, body: unknown): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    return await this.#ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async #ask(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, init);
    const text = await response.text();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined;
    }
    return { status: response.status, type: response.headers.get('content-type') ?? '', text, body };
  }

  async close(): Promise<void> {
    await this.#api.close();
    await this.store.close();
  }
}

/** Tests run beside others on a busy machine; those of limits name their own. */
const PATIENCE_S = 20;

/** A configuration whose API listens on a free port and reads from the given store. */
export function configFor(storeUrl: string, own: Partial<Config['query_api']>): Config {
  const config = loadConfig(['--clickhouse-url', storeUrl, '--query-api-listen', '127.0.0.1:0'], {});
  return { ...config, query_api: { ...config.query_api, collectors: [], max_execution_s: PATIENCE_S, ...own } };
}

/** A logger that says nothing, unless FLOWSPAN_TEST_LOG names a level. */
export function silent(): pino.Logger {
  return pino({ level: process.env.FLOWSPAN_TEST_LOG ?? 'silent' });
}
