/** Queries to ClickHouse: every one read-only, bounded, and cancelled when nobody waits for it any more. */
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client';
import { QUEUE_LENGTH, Slots } from '../../store/embedded/slots.ts';
import { QueryError } from './errors.ts';
import { MAX_RESULT_ROWS } from './limits.ts';
import type { Limits } from './options.ts';
import { NO_WATCH, type QueryWatch } from './query_watch.ts';
import { askerOf, patienceMs } from './requester.ts';
import type { BoundQuery } from './sql/parameters.ts';
import { toQueryError } from './store_errors.ts';

/** A row as ClickHouse's JSONEachRow gives it: 64-bit numbers as strings. */
export type StoreRow = Record<string, unknown>;

/** Limits of one query that differ from those of the configuration. */
export interface QueryBounds {
  /** Longest it may run, in seconds. */
  readonly max_execution_s?: number;
  readonly max_rows_to_read?: number;
}

/** Most bytes that bound values may take: they travel in the URL, which with all else must stay under 16 KiB. */
const MAX_PARAMETER_BYTES = 13_000;

const PARTS_AT_ONCE = 3;

/** Most queries at once, and of one asker: the others' are not to wait behind theirs. */
export const QUERIES_AT_ONCE = 16;
const QUERIES_OF_ONE = 4;

/** Bytes of bound values in a URL. */
function lengthInUrl(values: Readonly<Record<string, unknown>>): number {
  const texts = Object.values(values).map((value) => {
    const text = Array.isArray(value) ? value.map((one) => `'${one}',`).join('') : String(value);
    return encodeURIComponent(text).length + 'param_p00=&'.length;
  });
  return texts.reduce((sum, length) => sum + length, 0);
}

const isCutOff = (error: unknown) => error instanceof Error && (error as { code?: unknown }).code === 'ECONNRESET';

/** Asks ClickHouse: the embedded store, a server or a cluster. */
export class Store {
  readonly #client: ClickHouseClient;
  readonly #limits: Limits;
  readonly #watch: QueryWatch;
  readonly #slots: Slots;

  /** @param client not closed by this class */
  constructor(client: ClickHouseClient, limits: Limits, watch = NO_WATCH) {
    this.#client = client;
    this.#limits = limits;
    this.#watch = watch;
    this.#slots = new Slots(QUERIES_AT_ONCE, QUEUE_LENGTH, {
      atOnce: QUERIES_OF_ONE,
      waiting: QUEUE_LENGTH / 2,
      longestWaitMs: patienceMs(limits) / 2,
    });
  }

  /**
   * All rows of a query.
   * @param signal ends the query when the one who asked has gone
   * @throws QueryError
   */
  async rows(query: BoundQuery, signal?: AbortSignal, bounds: QueryBounds = {}): Promise<StoreRow[]> {
    const length = lengthInUrl(query.parameters.values);
    if (length > MAX_PARAMETER_BYTES) {
      throw new QueryError(422, 'FLOW_QUERY_TOO_LONG', `the values of this question take ${length} bytes`, {
        limit: `${MAX_PARAMETER_BYTES} bytes of values`,
        next_step: 'Give fewer or shorter values, or ask in parts.',
      });
    }
    const watched = this.#watch.begin(query.sql);
    const asker = askerOf(signal);
    let leave: (() => void) | undefined;
    try {
      leave = await this.#slots.take(signal, asker);
      const ask = () => this.#ask(query, watched.headers, asker, signal, bounds);
      // The client may close a connection that it keeps open just when it is used again.
      const rows = await ask().catch((error) => (isCutOff(error) && !signal?.aborted ? ask() : Promise.reject(error)));
      watched.ended(rows.length);
      return rows;
    } catch (error) {
      const told = toQueryError(error, this.#limits, signal);
      watched.failed(told);
      throw told;
    } finally {
      leave?.();
    }
  }

  async #ask(
    query: BoundQuery,
    headers: Readonly<Record<string, string>>,
    asker: string,
    signal: AbortSignal | undefined,
    bounds: QueryBounds,
  ): Promise<StoreRow[]> {
    const result = await this.#client.query({
      query: query.sql,
      query_params: query.parameters.values,
      format: 'JSONEachRow',
      ...(signal === undefined ? {} : { abort_signal: signal }),
      clickhouse_settings: this.#settings(bounds),
      // by this the embedded store tells our askers apart
      http_headers: { ...headers, ...(asker === '' ? {} : { 'X-ClickHouse-Quota': asker }) },
    });
    return await result.json<StoreRow>();
  }

  /**
   * All rows of queries about the parts of a list, each part asked by itself, some at once.
   * @param query makes the query of one part
   */
  async rowsOfParts<T>(
    parts: readonly (readonly T[])[],
    query: (part: readonly T[]) => BoundQuery,
    signal?: AbortSignal,
  ): Promise<StoreRow[]> {
    const rows: StoreRow[] = [];
    for (let at = 0; at < parts.length; at += PARTS_AT_ONCE) {
      const some = parts.slice(at, at + PARTS_AT_ONCE).map((part) => this.rows(query(part), signal));
      for (const found of await Promise.all(some)) for (const row of found) rows.push(row);
    }
    return rows;
  }

  #settings(bounds: QueryBounds): ClickHouseSettings {
    const { max_execution_s, max_rows_to_read, max_memory_bytes } = this.#limits;
    return {
      max_execution_time: bounds.max_execution_s ?? max_execution_s,
      timeout_before_checking_execution_speed: 0,
      max_rows_to_read: String(bounds.max_rows_to_read ?? max_rows_to_read),
      max_memory_usage: String(max_memory_bytes),
      max_result_rows: String(MAX_RESULT_ROWS),
      result_overflow_mode: 'throw',
      // a ClickHouse server goes on with a query whose client has left, unless it is told not to
      cancel_http_readonly_queries_on_client_close: 1,
      output_format_json_quote_64bit_integers: 1,
      // last: where settings are applied one by one, none can be changed behind it
      readonly: '1',
    };
  }
}
