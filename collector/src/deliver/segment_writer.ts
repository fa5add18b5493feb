/** Gathers the rows of one table into segments: memory first, at the end of each look the file, in the background. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arena } from '../batch/arena.ts';
import type { Discard } from '../counters.ts';
import type { ChunkPool } from './chunks.ts';
import { newSegmentName, type Segment } from './segment.ts';
import type { SpoolBudget } from './spool.ts';

/** When a segment is whole, whichever comes first. */
export interface SegmentLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface SegmentWriterOptions {
  readonly table: string;
  /** Directory of the table's segments; it exists. */
  readonly directory: string;
  readonly arena: Arena;
  readonly chunks: ChunkPool;
  readonly budget: SpoolBudget;
  /** Whether rows beyond the budget are taken all the same: the few that tell of the others. */
  readonly always: boolean;
  /** Room that must be free before a row is begun: bytes of the longest row. */
  readonly largestRow: number;
  readonly limits: SegmentLimits;
  /** Gets each whole segment. */
  readonly sealed: (segment: Segment) => void;
  /** Told of rows that were lost, and why. */
  readonly lost: (rows: number, reason: Discard) => void;
  readonly failed: (error: unknown) => void;
}

interface GrowingSegment {
  readonly name: string;
  readonly path: string;
  readonly begunMs: number;
  handle: FileHandle | undefined;
  /** Rows and bytes given to it, and of these what its file holds. */
  rows: number;
  bytes: number;
  writtenRows: number;
  writtenBytes: number;
}

/** Least time between two writes of a part of a chunk: what a crash may take, and what a look need not cost. */
const BETWEEN_WRITES_MS = 100;

/** Not safe for two callers between `begin` and `end`; the data path is one call stack. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #chunk = -1;
  #used = 0;
  #rows = 0;
  #wroteMs = Number.NEGATIVE_INFINITY;
  #segment: GrowingSegment | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  /** Offset in the arena at which a row may be written, or -1: no memory, and the row is counted as lost. */
  begin(): number {
    const { chunks, largestRow, lost } = this.#options;
    if (this.#chunk !== -1 && chunks.chunkBytes - this.#used < largestRow) this.#write();
    if (this.#chunk === -1) {
      this.#chunk = chunks.take();
      if (this.#chunk === -1) {
        lost(1, 'row_memory_full');
        return -1;
      }
    }
    return this.#chunk + this.#used;
  }

  /** Ends the row that began at the last `begin`, at this offset. */
  end(row: number): void {
    this.#used = row - this.#chunk;
    this.#rows += 1;
  }

  /** Appends a row that is bytes already. */
  append(row: Uint8Array): void {
    const at = this.begin();
    if (at === -1) return;
    this.#options.arena.bytes.set(row, at);
    this.end(at + row.length);
  }

  /** Sends what there is on its way to the file, now and then; ends the segment if it is large or old enough, or if told to. */
  flush(nowMs: number, seal = false): void {
    const { maxRows, maxBytes, maxAgeMs } = this.#options.limits;
    const due = seal || Math.abs(nowMs - this.#wroteMs) >= BETWEEN_WRITES_MS;
    if (this.#rows > 0 && (due || (this.#segment?.rows ?? 0) + this.#rows >= maxRows)) this.#write(nowMs);
    const segment = this.#segment;
    if (segment === undefined) return;
    const old = nowMs - segment.begunMs >= maxAgeMs;
    if (seal || old || segment.rows >= maxRows || segment.bytes >= maxBytes) this.#seal(segment);
  }

  /** When the segment that grows was begun, milliseconds since the epoch; undefined if none does. */
  get growingSinceMs(): number | undefined {
    return this.#segment?.begunMs;
  }

  /** Resolves when all that was flushed so far is in its file, or counted as lost. */
  settled(): Promise<void> {
    return this.#work;
  }

  #write(nowMs = Date.now()): void {
    const { always, chunks, budget, lost, directory, limits } = this.#options;
    const chunk = this.#chunk;
    const bytes = this.#used;
    const rows = this.#rows;
    this.#used = 0;
    this.#rows = 0;
    if (always) budget.take(bytes);
    else if (!budget.reserve(bytes)) {
      lost(rows, 'row_spool_full');
      return;
    }
    this.#chunk = -1;
    this.#wroteMs = nowMs;
    if (this.#segment !== undefined && this.#segment.bytes >= limits.maxBytes) this.#seal(this.#segment);
    this.#segment ??= this.#begin(nowMs, directory);
    const segment = this.#segment;
    segment.rows += rows;
    segment.bytes += bytes;
    this.#work = this.#work.then(async () => {
      await this.#append(segment, chunk, bytes, rows);
      chunks.give(chunk);
    });
  }

  #begin(nowMs: number, directory: string): GrowingSegment {
    const name = newSegmentName(nowMs);
    return {
      name,
      path: join(directory, `${name}.open`),
      begunMs: nowMs,
      handle: undefined,
      rows: 0,
      bytes: 0,
      writtenRows: 0,
      writtenBytes: 0,
    };
  }

  async #append(segment: GrowingSegment, chunk: number, bytes: number, rows: number): Promise<void> {
    const { arena, budget, lost, failed } = this.#options;
    try {
      segment.handle ??= await open(segment.path, 'wx', 0o600);
      for (let at = 0; at < bytes; ) {
        const done = await segment.handle.write(arena.bytes, chunk + at, bytes - at, segment.writtenBytes + at);
        at += done.bytesWritten;
      }
      segment.writtenBytes += bytes;
      segment.writtenRows += rows;
    } catch (error) {
      budget.release(bytes);
      lost(rows, 'row_write_failed');
      failed(error);
    }
  }

  #seal(segment: GrowingSegment): void {
    const { table, directory, sealed, budget, lost, failed } = this.#options;
    this.#segment = undefined;
    this.#work = this.#work.then(async () => {
      const { name, writtenRows: rows, writtenBytes: bytes } = segment;
      try {
        // A write that failed half-way left bytes behind the last whole row.
        await segment.handle?.truncate(bytes);
        await segment.handle?.close();
        if (rows === 0) {
          await rm(segment.path, { force: true });
          return;
        }
        const path = join(directory, `${name}.${rows}.rowbinary`);
        await rename(segment.path, path);
        sealed({ table, name, path, rows, bytes });
      } catch (error) {
        budget.release(bytes);
        lost(rows, 'row_write_failed');
        failed(error);
      }
    });
  }
}
