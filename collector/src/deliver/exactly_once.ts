/**
 * Puts each segment into ClickHouse once. An INSERT that brought no answer may have been made, or may still run: then
 * ClickHouse is asked which rows it has, before anything is sent again. Its tokens alone would not do, since it forgets
 * them after so many blocks; they are what keeps an INSERT that still runs and its repetition from both being counted.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { FlowspanError } from '../../../store/errors.ts';
import { refeeds } from '../../../store/refeed.ts';
import { TABLES } from '../../../store/tables.ts';
import { insertRows, LONGEST_INSERT_MS, neverRan, segmentToken } from './clickhouse.ts';
import { deduplicationWindow } from './deduplication_window.ts';
import { rowKey } from './row_keys.ts';
import type { Segment } from './segment.ts';
import type { Answer, Waiting } from './sender.ts';
import { type Found, findRows, hasRowsOf, readRanges } from './stored_rows.ts';

/** Blocks that others may insert while an INSERT and its repetition both run. */
const LEAST_WINDOW = 100;
/** After that no INSERT runs any more: its own limit, and as much again for what it waits for before it begins. */
export const QUIET_MS = 2 * LONGEST_INSERT_MS;

export interface ExactlyOnceOptions {
  readonly client: ClickHouseClient;
  /** Database of the tables. */
  readonly database: string;
  readonly node: string;
  /** For tests; default `QUIET_MS`. */
  readonly quietMs?: number;
}

/** Who asks last of each client. */
const lastAsked = new WeakMap<ClickHouseClient, Promise<unknown>>();

/** One after the other, whatever the table: after an outage all of them ask, and each question takes memory. */
async function inTurn<T>(client: ClickHouseClient, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  const before = lastAsked.get(client) ?? Promise.resolve();
  const asked = before.then(() => {
    signal.throwIfAborted();
    return ask();
  });
  lastAsked.set(
    client,
    asked.catch(() => undefined),
  );
  return asked;
}

/** Attempts to store segments. */
export class ExactlyOnce {
  readonly #options: ExactlyOnceOptions;
  readonly #keys = new Map(TABLES.map((table) => [table.name, rowKey(table)]));

  constructor(options: ExactlyOnceOptions) {
    this.#options = options;
  }

  /**
   * One attempt. Afterwards `waiting.doubtSinceMs` tells whether ClickHouse may have the rows.
   * @param headers of the INSERT's request
   * @throws what the client throws when another attempt may help; FlowspanError FLOW_DELIVER_WINDOW while it cannot be
   * told what is stored
   */
  async attempt(waiting: Waiting, signal: AbortSignal, headers: Record<string, string> = {}): Promise<Answer> {
    const { segment } = waiting;
    const token = segmentToken(this.#options.node, segment);
    const asked = waiting.doubtSinceMs === undefined ? undefined : await this.#ask(waiting, signal);
    if (asked === undefined || asked.present === 0) {
      return this.#insert(waiting, token, segment.read(), signal, headers);
    }
    if (asked.missing.length > 0) {
      const rest = readRanges(segment, asked.missing);
      await this.#insert(waiting, `${token}/${asked.missingHash}`, rest, signal, headers);
    }
    await this.#feed(segment, asked, signal);
    return 'stored';
  }

  async #insert(
    waiting: Waiting,
    token: string,
    rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const before = waiting.doubtSinceMs;
    waiting.doubtSinceMs = performance.now();
    try {
      return await insertRows(this.#options.client, { table: waiting.segment.table, token, rows, signal, headers });
    } catch (error) {
      if (neverRan(error)) waiting.doubtSinceMs = before;
      else waiting.doubtSinceMs = performance.now();
      throw error;
    }
  }

  /**
   * What of the segment is stored. Undefined where a second copy changes nothing; and where its rows are not of this
   * version's columns, so that ClickHouse is to refuse them.
   */
  async #ask({ segment, doubtSinceMs = 0 }: Waiting, signal: AbortSignal): Promise<Found | undefined> {
    const { client, quietMs = QUIET_MS } = this.#options;
    const { table, name } = segment;
    const key = this.#keys.get(table);
    if (key === undefined || !(await hasRowsOf(key, segment))) return undefined;
    const found = await inTurn(client, signal, () => findRows(client, key, segment, signal));
    const whole = found.missing.length === 0;
    if (whole || performance.now() - doubtSinceMs >= quietMs) return found;
    const tell = (why: string) =>
      new FlowspanError('FLOW_DELIVER_WINDOW', `${name} of ${table}: ${why}; it is looked at again until none can run`);
    if (found.present > 0) throw tell('a part of it is stored, and the INSERT that brought it may still run');
    const window = await deduplicationWindow(client, table, signal);
    if (window >= LEAST_WINDOW) return found;
    throw tell(
      `its INSERT may still run, and the server remembers the tokens of ${window} blocks only: set non_replicated_deduplication_window`,
    );
  }

  /** The INSERT may have broken off between its rows and the views that are fed by them. */
  async #feed({ table }: Segment, { sinceNs, untilNs }: Found, signal: AbortSignal): Promise<void> {
    const { client, database } = this.#options;
    for (const { sql, settings } of refeeds(database, table, sinceNs, untilNs)) {
      await client.command({ query: sql, clickhouse_settings: settings, abort_signal: signal });
    }
  }
}
