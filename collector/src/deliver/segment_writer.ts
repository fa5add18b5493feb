/**
 * Gathers the rows of one table into segments: memory first, at the end of each look the file, in the background. What
 * the disk does not take stays in memory, as a segment there.
 */
import type { Arena } from '../batch/arena.ts';
import type { Discard } from '../counters.ts';
import type { ChunkPool } from './chunks.ts';
import { MemorySegment, type Part } from './memory_segment.ts';
import { newSegmentName, type Segment } from './segment.ts';
import { bytesInFile, SegmentFile } from './segment_file.ts';
import type { SpoolBudget } from './spool_budget.ts';
import type { SpoolDisk } from './spool_disk.ts';

/** When a segment is whole, whichever comes first. */
export interface SegmentLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface SegmentWriterOptions {
  readonly table: string;
  /** Directory of the table's segments. */
  readonly directory: string;
  readonly disk: SpoolDisk;
  readonly arena: Arena;
  readonly chunks: ChunkPool;
  readonly budget: SpoolBudget;
  /** Room that must be free before a row is begun: bytes of the longest row. */
  readonly largestRow: number;
  readonly limits: SegmentLimits;
  /** Gets each whole segment. */
  readonly sealed: (segment: Segment) => void;
  /** Whether ClickHouse is away: while it is, age ends a segment only after `PATIENCE` times its limit. */
  readonly isStuck: () => boolean;
  /** Told of rows that were lost, and why. */
  readonly lost: (rows: number, reason: Discard) => void;
  /** Told of rows, in the order in which they were begun, when the disk has them, or will not: they were stored or lost. */
  readonly left?: ((rows: number) => void) | undefined;
}

/** What is to be done to one file next. */
interface Step {
  readonly file: SegmentFile;
  readonly parts: Part[];
  seal: boolean;
}

/** Least time between two writes of a part of a chunk: what a crash may take, and what a look need not cost. */
const BETWEEN_WRITES_MS = 100;
/** Fewer and larger segments while ClickHouse is away: reports, which end them all, are made about as often then. */
const PATIENCE = 15;
/** Least number of segments that memory is full of: the oldest makes room for others. */
const MEMORY_SEGMENTS = 16;

/** Not safe for two callers between `begin` and `end`; the data path is one call stack. */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #chunk = -1;
  #used = 0;
  #rows = 0;
  #wroteMs = Number.NEGATIVE_INFINITY;
  #file: SegmentFile | undefined;
  /** What the disk has not taken of the files since the last one that ended. */
  #memory: MemorySegment | undefined;
  /** Whole segments that wait in memory. */
  #inMemory: MemorySegment[] = [];
  readonly #steps: Step[] = [];
  /** Rows that are in no whole segment yet. */
  rowsGrowing = 0;
  #work: Promise<void> | undefined;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  /**
   * Offset in the arena at which a row may be written, or -1: no memory, and the row is counted as lost.
   * @param room bytes the row may take; at most a chunk's
   */
  begin(room = this.#options.largestRow): number {
    const { chunks, lost } = this.#options;
    if (this.#chunk !== -1 && chunks.chunkBytes - this.#used < room) this.#write();
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
    this.rowsGrowing += 1;
  }

  /** Appends a row that is bytes already; false if it is lost, which was counted. */
  append(row: Uint8Array): boolean {
    const { chunks, lost } = this.#options;
    if (row.length > chunks.chunkBytes) {
      lost(1, 'row_too_large');
      return false;
    }
    const at = this.begin(row.length);
    if (at === -1) return false;
    this.#options.arena.bytes.set(row, at);
    this.end(at + row.length);
    return true;
  }

  /** Sends what there is on its way to the file, now and then; ends the segment if it is large or old enough, or if told to. */
  flush(nowMs: number, seal = false): void {
    const { maxRows, maxBytes, maxAgeMs } = this.#options.limits;
    const due = seal || Math.abs(nowMs - this.#wroteMs) >= BETWEEN_WRITES_MS;
    if (this.#rows > 0 && (due || (this.#file?.givenRows ?? 0) + this.#rows >= maxRows)) this.#write(nowMs);
    const file = this.#file;
    if (file === undefined) return;
    const old = nowMs - file.begunMs >= maxAgeMs * (this.#options.isStuck() ? PATIENCE : 1);
    if (seal || old || file.givenRows >= maxRows || file.givenBytes >= maxBytes) this.#seal(file);
  }

  /** When the segment that grows was begun, milliseconds since the epoch; undefined if none does. */
  get growingSinceMs(): number | undefined {
    return this.#file?.begunMs;
  }

  /** Resolves when all that was flushed so far is in its file, or counted as lost. */
  settled(): Promise<void> {
    return this.#work ?? Promise.resolve();
  }

  /** Whole segments that wait in memory. */
  get inMemory(): readonly Segment[] {
    return this.#inMemory.filter((segment) => segment.isInMemory);
  }

  /** Has what waits in memory become files. */
  async moveToDisk(): Promise<void> {
    this.#sealMemory();
    const kept = this.#inMemory;
    this.#inMemory = [];
    for (const segment of kept) {
      await segment.moveToDisk(this.#options);
      this.#noteInMemory(segment);
    }
  }

  #sealMemory(): void {
    const kept = this.#memory;
    this.#memory = undefined;
    if (kept === undefined || kept.rows === 0) return;
    this.#inMemory = this.#inMemory.filter((segment) => segment.isInMemory);
    this.#noteInMemory(kept);
    this.#sealed(kept);
  }

  #noteInMemory(segment: MemorySegment): void {
    if (segment.isInMemory) this.#inMemory.push(segment);
  }

  #write(nowMs = Date.now()): void {
    const part = { chunk: this.#chunk, bytes: this.#used, rows: this.#rows };
    this.#used = 0;
    this.#rows = 0;
    this.#chunk = -1;
    this.#wroteMs = nowMs;
    this.#hand(part, nowMs);
  }

  /** Gives rows to the file that grows. */
  #hand(part: Part, nowMs: number): void {
    const { budget, chunks, lost, directory, limits, table } = this.#options;
    if (!budget.reserve(table, 'disk', bytesInFile(part.bytes))) {
      this.rowsGrowing -= part.rows;
      lost(part.rows, 'row_spool_dropped');
      this.#leave([part]);
      chunks.give(part.chunk);
      return;
    }
    if (this.#file !== undefined && this.#file.givenBytes >= limits.maxBytes) this.#seal(this.#file);
    this.#file ??= new SegmentFile(directory, newSegmentName(nowMs), nowMs);
    this.#file.givenRows += part.rows;
    this.#file.givenBytes += part.bytes;
    this.#step(this.#file).parts.push(part);
  }

  #seal(file: SegmentFile): void {
    this.#file = undefined;
    this.#step(file).seal = true;
  }

  /** The step that a file's next work belongs to: what gathers while one is under way is done at once after it. */
  #step(file: SegmentFile): Step {
    const last = this.#steps.at(-1);
    if (last?.file === file) return last;
    const step = { file, parts: [], seal: false };
    this.#steps.push(step);
    this.#run();
    return step;
  }

  #run(): void {
    this.#work ??= this.#doSteps().finally(() => {
      this.#work = undefined;
      if (this.#steps.length > 0) this.#run();
    });
  }

  async #doSteps(): Promise<void> {
    // The step that called for this work is still being filled.
    await Promise.resolve();
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
      if (step.parts.length > 0) await this.#append(step.file, step.parts);
      if (step.seal) await this.#finish(step.file);
    }
  }

  async #append(file: SegmentFile, parts: readonly Part[]): Promise<void> {
    const { arena, chunks, disk } = this.#options;
    const runs = parts.map(({ chunk, bytes, rows }) => ({ bytes: arena.bytes.subarray(chunk, chunk + bytes), rows }));
    if (file.isBroken || !disk.usable) return this.#keep(parts);
    try {
      await file.append(runs, Date.now());
    } catch (error) {
      disk.failed(error, 'write');
      this.#keep(parts);
      if (this.#file === file) this.#seal(file);
      return;
    }
    disk.changed(file);
    disk.worked();
    this.#leave(parts);
    for (const part of parts) chunks.give(part.chunk);
  }

  #leave(parts: readonly Part[]): void {
    const { left } = this.#options;
    if (left !== undefined) for (const part of parts) left(part.rows);
  }

  /** What the disk did not take stays in memory, as long as there is room. */
  #keep(parts: readonly Part[]): void {
    const { arena, budget, chunks, lost, table } = this.#options;
    const nowMs = Date.now();
    for (const part of parts) {
      budget.release('disk', bytesInFile(part.bytes));
      if (
        this.#memory?.hasRoom(part.bytes) === false &&
        this.#memory.bytes >= budget.limit('memory') / MEMORY_SEGMENTS
      ) {
        this.#sealMemory();
      }
      this.#memory ??= new MemorySegment(table, newSegmentName(nowMs), nowMs, arena, chunks, this.#options.left);
      if (this.#memory.hasRoom(part.bytes) || budget.reserve(table, 'memory', chunks.chunkBytes)) {
        this.#memory.append(part, nowMs);
        continue;
      }
      this.rowsGrowing -= part.rows;
      lost(part.rows, 'row_write_failed');
      this.#leave([part]);
      chunks.give(part.chunk);
    }
  }

  async #finish(file: SegmentFile): Promise<void> {
    const { disk, table } = this.#options;
    const segment = await file.seal(table);
    if (segment !== undefined) {
      disk.changed(file);
      this.#sealed(segment);
    }
    this.#sealMemory();
  }

  #sealed(segment: Segment): void {
    this.rowsGrowing -= segment.rows;
    this.#options.sealed(segment);
  }
}
