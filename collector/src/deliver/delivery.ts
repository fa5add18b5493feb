/** Everything between an encoded row and ClickHouse: one writer and one sender per table, the spool, the reports. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { encodeRow } from '../../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, FLOWS, LOSSES, TABLES, type Table, VERDICTS } from '../../../store/tables.ts';
import { ChunkPool } from './chunks.ts';
import type { DeliveryOptions, WhatWaits } from './delivery_options.ts';
import { findLeftovers } from './leftovers.ts';
import { Order } from './order.ts';
import { Removals } from './removals.ts';
import { type Segment, segmentBegunMs } from './segment.ts';
import { SegmentWriter } from './segment_writer.ts';
import type { Sender, Waiting } from './sender.ts';
import { SpoolBudget } from './spool_budget.ts';
import { SpoolDisk } from './spool_disk.ts';
import { openSender, type Spool } from './table_sender.ts';
import { ToldLosses } from './told_losses.ts';

/** Bytes of a chunk: rows of one look, or a part of them. */
const CHUNK_BYTES = 256 * 1024;
const NOT_KEPT = 'rows that waited in memory are lost: the disk of data_dir takes none; free or mend it';
/** How often what is too old is looked for. */
const BETWEEN_AGES_MS = 1000;
const REPORTS = COLLECTOR_REPORTS.name;
/** Time between reports that wait: less than the gap that counts as unobserved (`REPORT_GAP_NS` of the query API). */
const BETWEEN_WAITING_REPORTS_MS = 15_000;
/** Bytes of the longest row of any table: a request's, with all its texts. */
export const LARGEST_ROW = 8 * 1024;

export type { DeliveryOptions };

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
  readonly #options: DeliveryOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #spool: Spool;
  readonly #chunks: ChunkPool;
  readonly #order = new Order();
  readonly #told: ToldLosses;
  /** Who is told when a report is stored, by its segment's name. */
  readonly #reports = new Map<string, () => void>();
  #lastReport: Promise<void> = Promise.resolve();
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  /** Whether anything was stored since the last report was made. */
  #storedSinceReport = true;
  #lookedForAgeMs = Number.NEGATIVE_INFINITY;

  private constructor(options: DeliveryOptions) {
    const { spool, log, lost } = options;
    this.#options = options;
    this.#chunks = new ChunkPool(options.arena, options.chunks, CHUNK_BYTES);
    const disk = new SpoolDisk({ syncMs: spool.spool_sync_ms, log, back: () => this.#diskIsBack() });
    const removals = new Removals(disk);
    const budget = new SpoolBudget({
      // The other half is for rows on their way.
      limits: { disk: spool.spool_bytes, memory: deliveryBytes(options.chunks) / 2 },
      maxAgeMs: spool.spool_max_age_s * 1000,
      dropped: (segment, reason) => {
        lost(segment.table, segment.rows, reason, segment.begunMs, segment.endedMs);
        void removals.remove(segment);
      },
    });
    this.#spool = { budget, disk, removals };
    this.#told = new ToldLosses({
      tell: options.tellLosses,
      write: (seal) => this.#writeLosses(seal),
      isStuck: () => this.#lane(LOSSES).sender.isStuck,
      done: (order) => this.#done(order),
    });
  }

  /** Queues what an earlier run left in the spool. Nothing is sent before `start`. */
  static async open(options: DeliveryOptions): Promise<Delivery> {
    const delivery = new Delivery(options);
    for (const table of TABLES) await delivery.#openLane(table);
    delivery.#told.start();
    return delivery;
  }

  async #openLane(table: Table): Promise<void> {
    const { arena, dataDir, limits, log, lost, leftOver } = this.#options;
    const { budget, disk } = this.#spool;
    const { name } = table;
    const directory = join(dataDir, 'spool', name);
    const ways = { ended: this.#ended.bind(this), recovered: () => this.#recovered() };
    const ofReports = { backlogLanes: 0, mayGo: (order: number) => this.#order.allBefore(order) };
    const sender = openSender(this.#options, this.#spool, { ...ways, ...(name === REPORTS ? ofReports : {}) });
    budget.watch(name, sender);
    const { segments, torn } = await findLeftovers(directory, name, (error) => disk.failed(error, 'read'));
    for (const segment of segments) {
      budget.take('disk', segment.bytes);
      leftOver(name, segment.rows);
      sender.push(this.#waiting(segment, true));
    }
    for (const { begunMs, endedMs } of torn) {
      lost(name, 0, 'row_spool_damaged', begunMs, endedMs);
      this.#told.lost(this.#order.next());
    }
    if (segments.length > 0) {
      log.info({ table: name, segments: segments.length }, 'rows of an earlier run are waiting');
    }
    const writer = new SegmentWriter({
      table: name,
      directory,
      disk,
      arena,
      chunks: this.#chunks,
      budget,
      largestRow: LARGEST_ROW,
      limits,
      sealed: (segment) => sender.push(this.#waiting(segment, false)),
      isStuck: () => sender.isStuck,
      lost: (rows, reason) => lost(name, rows, reason),
      left: { [FLOWS.name]: this.#options.flowsLeft, [VERDICTS.name]: this.#options.verdictsLeft }[name],
    });
    this.#lanes.set(name, { table, writer, sender });
  }

  /** Begins to send: the tables are there. */
  start(): void {
    for (const { sender } of this.#lanes.values()) sender.start();
  }

  /** Bytes of rows that there is memory for at the moment. */
  get roomBytes(): number {
    return this.#chunks.free * CHUNK_BYTES;
  }

  /** Gives memory back that no row has needed since the last call. */
  tidy(): void {
    this.#chunks.tidy();
  }

  /** The writer of a table's rows. */
  writer(table: Table): SegmentWriter {
    return this.#lane(table).writer;
  }

  /** Adds one row of a small table; false if there was no memory for it, which was counted. */
  add(table: Table, row: Readonly<Record<string, unknown>>): boolean {
    return this.#lane(table).writer.append(encodeRow(table, row));
  }

  /** After each look at the rings: rows go to their files, old or large segments to ClickHouse. */
  flush(nowMs: number): void {
    for (const { writer } of this.#lanes.values()) writer.flush(nowMs);
    if (Math.abs(nowMs - this.#lookedForAgeMs) < BETWEEN_AGES_MS) return;
    this.#lookedForAgeMs = nowMs;
    this.#spool.budget.dropAged();
  }

  /** Whether another report would only wait behind the last one: nothing has been stored since. */
  get reportMayWait(): boolean {
    return !this.#storedSinceReport && performance.now() - this.#reportedAtMs < BETWEEN_WAITING_REPORTS_MS;
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
    this.#storedSinceReport = false;
    this.#reportedAtMs = performance.now();
    for (const { writer } of this.#lanes.values()) writer.flush(nowMs, true);
    await this.#settled();
    const { writer } = this.#lane(table);
    this.add(table, row);
    writer.flush(nowMs, true);
    await writer.settled();
    return { stored: this.#lastReport };
  }

  /** Rows of a table in memory and spool, earlier runs' included: counted where they are. */
  rowsWaiting(table: Table): number {
    const { writer, sender } = this.#lane(table);
    return writer.rowsGrowing + sender.rowsWaiting;
  }

  /** What waits for ClickHouse, and where. */
  waiting(): WhatWaits {
    const { budget, disk } = this.#spool;
    return {
      bytes: budget.used('disk'),
      limit_bytes: budget.limit('disk'),
      memory_bytes: budget.used('memory'),
      segments: [...this.#lanes.values()].reduce((sum, { sender }) => sum + sender.waiting, 0),
      disk_error: disk.error ?? '',
    };
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
    this.#told.stop();
    // The disk is tried once more; what it does not take ends with this run.
    await Promise.all([...this.#lanes.values()].map(({ writer }) => writer.moveToDisk()));
    await this.#giveUpMemory();
    await this.#spool.disk.sync();
  }

  /** Counts what no disk took, and tells of it as well as the disk lets it. */
  async #giveUpMemory(): Promise<void> {
    const { log, lost, tellLosses } = this.#options;
    const segments = [...this.#lanes.values()].flatMap(({ writer }) => writer.inMemory);
    if (segments.length === 0) return;
    const rows: Record<string, number> = {};
    for (const segment of segments) {
      rows[segment.table] = (rows[segment.table] ?? 0) + segment.rows;
      lost(segment.table, segment.rows, 'row_write_failed', segment.begunMs, segment.endedMs);
    }
    const since = new Date(Math.min(...segments.map(({ begunMs }) => begunMs)));
    log.error({ rows, since, code: 'FLOW_DELIVER_SPOOL' }, NOT_KEPT);
    tellLosses?.();
    await this.#writeLosses(true);
  }

  /** What waits in memory goes to files, of which a crash or the end of this run takes nothing. */
  #diskIsBack(): void {
    this.#spool.removals.tryAgain();
    for (const { writer } of this.#lanes.values()) void writer.moveToDisk();
  }

  /** @param left whether an earlier run may have sent it */
  #waiting(segment: Segment, left: boolean): Waiting {
    const nowMs = performance.now();
    const endedAtMs = left ? nowMs - Math.max(0, Date.now() - segment.endedMs) : nowMs;
    const since = left ? { sinceMs: Number.NEGATIVE_INFINITY, doubtSinceMs: nowMs } : { sinceMs: nowMs };
    const times = { ...since, endedAtMs };
    if (segment.table !== REPORTS) {
      const order = this.#order.next();
      if (segment.table === LOSSES.name) this.#told.queued(order);
      return { doubtSinceMs: undefined, ...times, segment, order };
    }
    // A report tells that all before it is stored: it goes last, and nothing waits for it.
    this.#lastReport = new Promise((resolve) => this.#reports.set(segment.name, resolve));
    return { doubtSinceMs: undefined, ...times, segment, order: this.#order.end };
  }

  #ended({ segment, order }: Waiting, isLost: boolean): void {
    this.#storedSinceReport ||= !isLost;
    if (segment.table === REPORTS) {
      if (!isLost) this.#reports.get(segment.name)?.();
      this.#reports.delete(segment.name);
      return;
    }
    if (segment.table === LOSSES.name) this.#told.ended(order, isLost);
    if (isLost) this.#told.lost(order);
    else this.#done(order);
  }

  #done(order: number): void {
    this.#order.done(order);
    this.#lanes.get(REPORTS)?.sender.look();
  }

  async #writeLosses(seal: boolean): Promise<void> {
    const { writer } = this.#lane(LOSSES);
    writer.flush(Date.now(), seal);
    await writer.settled();
  }

  #recovered(): void {
    for (const { sender } of this.#lanes.values()) sender.hurry();
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
