/** Everything between an encoded row and ClickHouse: one writer and one sender per table, the spool, the reports. */
import { rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import { encodeRow } from '../../../store/rowbinary.ts';
import { FLOWS, REQUESTS, TABLES, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import type { Arena } from '../batch/arena.ts';
import type { Discard } from '../counters.ts';
import { ChunkPool } from './chunks.ts';
import { clickhousePost, segmentToken } from './clickhouse.ts';
import { type Segment, segmentBegunMs } from './segment.ts';
import { type SegmentSpanOptions, SegmentSpans } from './segment_spans.ts';
import { type SegmentLimits, SegmentWriter } from './segment_writer.ts';
import { type Answer, type Attempt, Sender } from './sender.ts';
import { leftovers, makeSpool, SpoolBudget } from './spool.ts';

/** Bytes of a chunk: rows of one look, or a part of them. */
const CHUNK_BYTES = 256 * 1024;
/** A full disk fails many times a second; it is told now and then. */
const BETWEEN_COMPLAINTS_MS = 5000;
/** Tables whose rows come from records; the others tell of them, in a few rows. */
const HOT_TABLES: ReadonlySet<Table> = new Set([FLOWS, TCP_EVENTS, REQUESTS]);
/** Bytes of the longest row of any table: a request's, with all its texts. */
export const LARGEST_ROW = 8 * 1024;

export interface DeliveryOptions {
  readonly arena: Arena;
  /** Chunks to lend; each takes `CHUNK_BYTES` of the arena. */
  readonly chunks: number;
  readonly dataDir: string;
  readonly spoolBytes: number;
  readonly limits: SegmentLimits;
  readonly client: ClickHouseClient;
  readonly node: string;
  readonly log: Logger;
  /** Told of rows that ClickHouse has acknowledged. */
  readonly stored: (table: string, rows: number) => void;
  /** Told of rows that were lost, and why. */
  readonly lost: (table: string, rows: number, reason: Discard) => void;
  /** Told of each attempt to insert; `beganMs` is performance.now() before it. */
  readonly sent?: (table: string, rows: number, beganMs: number, answer: Attempt) => void;
  /** Present where segments are traced. */
  readonly spans?: SegmentSpanOptions | undefined;
}

/** Arena bytes that a delivery with this many chunks takes. */
export function deliveryBytes(chunks: number): number {
  return chunks * CHUNK_BYTES;
}

/** One table's way out. */
interface Lane {
  readonly table: Table;
  readonly writer: SegmentWriter;
  readonly sender: Sender;
}

/** The way of rows out of the collector. Open it with `Delivery.open`. */
export class Delivery {
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #budget: SpoolBudget;
  readonly #lastReport: { stored: Promise<void> };
  readonly #chunks: ChunkPool;

  private constructor(
    lanes: ReadonlyMap<string, Lane>,
    budget: SpoolBudget,
    chunks: ChunkPool,
    lastReport: { stored: Promise<void> },
  ) {
    this.#lanes = lanes;
    this.#budget = budget;
    this.#chunks = chunks;
    this.#lastReport = lastReport;
  }

  /** Makes the spool and queues what an earlier run left in it. Nothing is sent before `start`. */
  static async open(options: DeliveryOptions): Promise<Delivery> {
    const { arena, dataDir, log } = options;
    const budget = new SpoolBudget(options.spoolBytes);
    const chunks = new ChunkPool(arena, options.chunks, CHUNK_BYTES);
    const pending = new Set<Promise<void>>();
    const lastReport = { stored: Promise.resolve() };
    const lanes = new Map<string, Lane>();
    let toldMs = Number.NEGATIVE_INFINITY;
    const tellOfSpool = (table: Table, error: unknown) => {
      if (performance.now() - toldMs < BETWEEN_COMPLAINTS_MS) return;
      toldMs = performance.now();
      log.error({ err: error, table: table.name, code: 'FLOW_DELIVER_SPOOL' }, 'cannot write the spool: rows are lost');
    };
    for (const table of TABLES) {
      const directory = await makeSpool(dataDir, table);
      const sender = openSender(options, budget);
      const push = (segment: Segment) => {
        // A report tells that all before it is stored: it goes last.
        const isReport = table.name === 'collector_reports';
        const done = sender.push(segment, isReport ? Promise.all(pending) : undefined);
        if (isReport) lastReport.stored = done;
        else track(pending, done);
      };
      const left = await leftovers(directory, table);
      for (const segment of left) {
        budget.take(segment.bytes);
        push(segment);
      }
      if (left.length > 0) log.info({ table: table.name, segments: left.length }, 'rows of an earlier run are waiting');
      const writer = new SegmentWriter({
        table: table.name,
        directory,
        arena,
        chunks,
        budget,
        always: !HOT_TABLES.has(table),
        largestRow: LARGEST_ROW,
        limits: options.limits,
        sealed: push,
        lost: (rows, reason) => options.lost(table.name, rows, reason),
        failed: (error) => tellOfSpool(table, error),
      });
      lanes.set(table.name, { table, writer, sender });
    }
    return new Delivery(lanes, budget, chunks, lastReport);
  }

  /** Begins to send: the tables are there. */
  start(): void {
    for (const { sender } of this.#lanes.values()) sender.start();
  }

  /** Bytes of rows that there is memory for at the moment. */
  get roomBytes(): number {
    return this.#chunks.free * CHUNK_BYTES;
  }

  /** The writer of a table's rows. */
  writer(table: Table): SegmentWriter {
    return this.#lane(table).writer;
  }

  /** Adds one row of a small table. */
  add(table: Table, row: Readonly<Record<string, unknown>>): void {
    this.#lane(table).writer.append(encodeRow(table, row));
  }

  /** After each look at the rings: rows go to their files, old or large segments to ClickHouse. */
  flush(nowMs: number): void {
    for (const { writer } of this.#lanes.values()) writer.flush(nowMs);
  }

  /**
   * Adds a report that is sent when all rows before it are stored.
   * @returns when the report is in its segment; `stored` is resolved when ClickHouse has it
   */
  async report(
    table: Table,
    row: Readonly<Record<string, unknown>>,
    nowMs: number,
  ): Promise<{ stored: Promise<void> }> {
    for (const { writer } of this.#lanes.values()) writer.flush(nowMs, true);
    await this.#settled();
    const { writer } = this.#lane(table);
    this.add(table, row);
    writer.flush(nowMs, true);
    await writer.settled();
    return { stored: this.#lastReport.stored };
  }

  /** Bytes on disk, and segments that wait for ClickHouse. */
  waiting(): { readonly bytes: number; readonly limit_bytes: number; readonly segments: number } {
    const segments = [...this.#lanes.values()].reduce((sum, { sender }) => sum + sender.waiting, 0);
    return { bytes: this.#budget.used, limit_bytes: this.#budget.limit, segments };
  }

  /** Since when the oldest row that ClickHouse does not have yet waits, milliseconds since the epoch; undefined if none does. */
  waitingSinceMs(): number | undefined {
    const begun = [...this.#lanes.values()].flatMap(({ writer, sender }) => {
      const oldest = sender.oldest === undefined ? undefined : segmentBegunMs(sender.oldest.name);
      return oldest ?? writer.growingSinceMs ?? [];
    });
    return begun.length === 0 ? undefined : Math.min(...begun);
  }

  /** Ends all segments and sends what can be sent in the given time; the rest waits in the spool for the next run. */
  async close(nowMs: number, withinMs: number): Promise<void> {
    for (const { writer } of this.#lanes.values()) writer.flush(nowMs, true);
    await this.#settled();
    const enough = performance.now() + withinMs;
    while (this.waiting().segments > 0 && performance.now() < enough) await wait(10);
    await Promise.all([...this.#lanes.values()].map(({ sender }) => sender.stop()));
  }

  async #settled(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ writer }) => writer.settled()));
  }

  #lane(table: Table): Lane {
    const lane = this.#lanes.get(table.name);
    if (lane === undefined) throw new Error(`no delivery for table ${table.name}`);
    return lane;
  }
}

function track(pending: Set<Promise<void>>, done: Promise<void>): void {
  pending.add(done);
  done.finally(() => pending.delete(done));
}

function openSender(options: DeliveryOptions, budget: SpoolBudget): Sender {
  const { client, node, log, stored, lost, sent } = options;
  const post = clickhousePost(client, node);
  const spans = options.spans === undefined ? undefined : new SegmentSpans(options.spans);
  return new Sender({
    async post(segment, signal) {
      const beganMs = performance.now();
      let answer: Attempt = 'failed';
      try {
        answer = await post(segment, signal, spans?.attempt(segment, segmentToken(node, segment), signal));
        return answer;
      } finally {
        if (!signal.aborted) sent?.(segment.table, segment.rows, beganMs, answer);
      }
    },
    async finished(segment: Segment, answer: Answer) {
      spans?.finished(answer);
      if (answer === 'stored') stored(segment.table, segment.rows);
      else {
        lost(segment.table, segment.rows, 'row_refused');
        const { name, table, rows } = segment;
        log.error(
          { table, segment: name, rows, code: 'FLOW_DELIVER_REFUSED' },
          'ClickHouse cannot read these rows: lost',
        );
      }
      await rm(segment.path, { force: true });
      budget.release(segment.bytes);
    },
    failed(segment, error, retryInMs) {
      spans?.failed(error, retryInMs);
      const { table, name } = segment;
      log.warn({ err: error, table, segment: name, retry_in_ms: retryInMs, code: 'FLOW_DELIVER_SEND' }, 'cannot send');
    },
  });
}
