/** What the store tells of itself at GET /metrics. */
import { statfs } from 'node:fs/promises';
import { Counter, Gauge, Histogram } from 'prom-client';
import { MetricsPage } from '../../collector/src/telemetry/metrics_page.ts';
import { VERSION } from '../../collector/src/version.ts';
import type { Expired } from './byte_budget.ts';
import type { Engine } from './engine.ts';
import type { TableSize } from './table_sizes.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is set once at the start. */
export interface StoreLimits {
  /** Bytes on disk that all tables together may take. */
  readonly byteBudget: number;
  /** Bytes of memory that the engine may take. */
  readonly memoryBytes: number;
}

/** Counts statements and what upkeep does, and holds what upkeep has measured. */
export class StoreMetrics {
  readonly page = new MetricsPage('store', VERSION);
  readonly #insertedRows;
  readonly #inserts;
  readonly #insertSeconds;
  readonly #queries;
  readonly #querySeconds;
  readonly #tables;
  readonly #engineMemory;
  readonly #expired;
  readonly #upkeeps;
  readonly #upkeepTime;
  readonly #edgesBehind;

  constructor(engine: Engine, { byteBudget, memoryBytes }: StoreLimits) {
    const registers = [this.page.registry];
    const counter = (name: string, help: string, labelNames: string[]) =>
      new Counter({ name: `flowspan_store_${name}`, help, labelNames, registers });
    const gauge = (name: string, help: string, labelNames: string[] = [], measure?: (one: Gauge) => unknown) =>
      new Gauge({
        name: `flowspan_store_${name}`,
        help,
        labelNames,
        registers,
        ...(measure && {
          async collect() {
            await measure(this);
          },
        }),
      });
    const histogram = (name: string, help: string, labelNames: string[]) =>
      new Histogram({
        name: `flowspan_store_${name}`,
        help: `${help} Unit: seconds.`,
        labelNames,
        buckets: SECONDS,
        registers,
      });

    const results =
      'result is ok, refused (the one who asked did wrong), busy, cancelled, timeout or failed (the engine did)';
    this.#insertedRows = counter('inserted_rows_total', 'Rows inserted. Unit: rows.', ['table']);
    this.#inserts = counter('inserts_total', `INSERTs that brought rows along; ${results}. Unit: statements.`, [
      'result',
    ]);
    this.#insertSeconds = histogram('insert_seconds', 'Duration of INSERTs, reading their rows included.', []);
    this.#queries = counter('queries_total', `Other statements; ${results}. Unit: statements.`, ['account', 'result']);
    this.#querySeconds = histogram('query_seconds', 'Duration of other statements, waiting and sending included.', [
      'account',
    ]);
    gauge('running_statements', 'Statements that run now. Unit: statements.', ['account'], (one) => {
      for (const [account, { running }] of Object.entries(engine.load)) one.set({ account }, running);
    });
    gauge('waiting_statements', 'Statements that wait for their turn. Unit: statements.', ['account'], (one) => {
      for (const [account, { waiting }] of Object.entries(engine.load)) one.set({ account }, waiting);
    });

    this.#tables = {
      rows: gauge('table_rows', 'Rows of each table, as upkeep last saw them. Unit: rows.', ['table']),
      bytes: gauge('table_bytes', 'Size of each table on disk, as upkeep last saw it. Unit: bytes.', ['table']),
      parts: gauge('table_parts', 'Data parts of each table; many: merges do not keep up. Unit: parts.', ['table']),
    };
    gauge('byte_budget_bytes', 'What all tables may take on disk; beyond, oldest partitions go. Unit: bytes.').set(
      byteBudget,
    );
    gauge('filesystem_free_bytes', 'Free on the file system of the data directory. Unit: bytes.', [], async (one) => {
      const { bavail, bsize } = await statfs(engine.dataDir);
      one.set(bavail * bsize);
    });
    this.#engineMemory = gauge('engine_memory_bytes', "The engine's memory, as upkeep last saw it. Unit: bytes.");
    gauge('engine_memory_limit_bytes', 'Memory that the engine may take; beyond, queries fail. Unit: bytes.').set(
      memoryBytes,
    );

    this.#expired = {
      partitions: counter('expired_partitions_total', 'Partitions deleted for the byte budget. Unit: partitions.', [
        'table',
      ]),
      rows: counter('expired_rows_total', 'Rows deleted for the byte budget. Unit: rows.', ['table']),
    };
    this.#upkeeps = counter('upkeeps_total', 'Rounds of upkeep; result is ok or failed. Unit: rounds.', ['result']);
    this.#upkeepTime = gauge(
      'upkeep_last_success_timestamp_seconds',
      'When upkeep last succeeded, since 1970. Unit: seconds.',
    );
    this.#edgesBehind = gauge(
      'edges_behind_seconds',
      'How long minutes of edges_1m wait to be built beyond their hold-back; questions read rows till then. Unit: seconds.',
    );
    for (const result of ['ok', 'failed']) {
      this.#upkeeps.inc({ result }, 0);
      this.#inserts.inc({ result }, 0);
      for (const account of ['reader', 'writer']) this.#queries.inc({ account, result }, 0);
    }
  }

  /** @param table undefined for one that is not Flowspan's */
  inserted(table: string | undefined, rows: number, result: string, seconds: number): void {
    this.#inserts.inc({ result });
    this.#insertSeconds.observe({}, seconds);
    if (rows > 0) this.#insertedRows.inc({ table: table ?? '_other' }, rows);
  }

  /** @param account role of who asked; `none` for one who is not known */
  queried(account: string, result: string, seconds: number): void {
    this.#queries.inc({ account, result });
    this.#querySeconds.observe({ account }, seconds);
  }

  /** Upkeep has measured the tables. */
  measured(sizes: readonly TableSize[], engineMemoryBytes: number): void {
    // a table that is gone is gone here too
    for (const gauge of Object.values(this.#tables)) gauge.reset();
    for (const { table, rows, bytes, parts } of sizes) {
      this.#tables.rows.set({ table }, rows);
      this.#tables.bytes.set({ table }, bytes);
      this.#tables.parts.set({ table }, parts);
      this.#expired.partitions.inc({ table }, 0);
      this.#expired.rows.inc({ table }, 0);
    }
    this.#engineMemory.set(engineMemoryBytes);
  }

  /** Upkeep has deleted partitions. */
  expired(partitions: readonly Expired[]): void {
    for (const { table, rows } of partitions) {
      this.#expired.partitions.inc({ table });
      this.#expired.rows.inc({ table }, rows);
    }
  }

  /** It was looked for minutes of edges_1m to build. */
  edgesBehind(seconds: number): void {
    this.#edgesBehind.set(seconds);
  }

  /** A round of upkeep has ended. */
  upkept(ok: boolean): void {
    this.#upkeeps.inc({ result: ok ? 'ok' : 'failed' });
    if (ok) this.#upkeepTime.setToCurrentTime();
  }
}
