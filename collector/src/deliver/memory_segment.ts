/** A segment in memory: rows that the disk did not take. When it takes some again, the segment becomes a file. */
import type { Arena } from '../batch/arena.ts';
import type { ChunkPool } from './chunks.ts';
import type { DiskSegment } from './disk_segment.ts';
import type { Segment } from './segment.ts';
import { bytesInFile, SegmentFile } from './segment_file.ts';
import type { SpoolBudget } from './spool_budget.ts';
import type { SpoolDisk } from './spool_disk.ts';

/** Rows in a chunk, from its beginning. */
export interface Part {
  readonly chunk: number;
  readonly bytes: number;
  readonly rows: number;
}

/** Where a segment may go from memory. */
export interface WayToDisk {
  readonly directory: string;
  readonly disk: SpoolDisk;
  readonly budget: SpoolBudget;
}

/** Grows by `append`, then waits for ClickHouse. */
export class MemorySegment implements Segment {
  readonly table: string;
  readonly name: string;
  readonly begunMs: number;
  endedMs: number;
  readonly #arena: Arena;
  readonly #chunks: ChunkPool;
  #parts: Part[] = [];
  #rows = 0;
  /** Memory that it takes: whole chunks. */
  #bytes = 0;
  #file: DiskSegment | undefined;
  #readers = 0;
  #isRemoved = false;
  readonly #left: ((rows: number) => void) | undefined;

  /** @param left told of its rows when they wait in memory no more */
  constructor(
    table: string,
    name: string,
    begunMs: number,
    arena: Arena,
    chunks: ChunkPool,
    left?: (rows: number) => void,
  ) {
    this.table = table;
    this.name = name;
    this.begunMs = begunMs;
    this.endedMs = begunMs;
    this.#arena = arena;
    this.#chunks = chunks;
    this.#left = left;
  }

  /** Whether it takes memory. */
  get isInMemory(): boolean {
    return this.#file === undefined && !this.#isRemoved;
  }

  get place(): Segment['place'] {
    return this.#file === undefined ? 'memory' : 'disk';
  }

  get rows(): number {
    return this.#file?.rows ?? this.#rows;
  }

  get damaged(): number {
    return this.#file?.damaged ?? 0;
  }

  get bytes(): number {
    return this.#file?.bytes ?? this.#bytes;
  }

  /** Whether a part of so many bytes takes no chunk more. */
  hasRoom(bytes: number): boolean {
    const last = this.#parts.at(-1);
    return last !== undefined && last.bytes + bytes <= this.#chunks.chunkBytes;
  }

  /** Takes a part, and gives its chunk back if the rows fit into one that it has. */
  append(part: Part, nowMs: number): void {
    const last = this.#parts.at(-1);
    if (last !== undefined && this.hasRoom(part.bytes)) {
      this.#arena.bytes.copyWithin(last.chunk + last.bytes, part.chunk, part.chunk + part.bytes);
      this.#chunks.give(part.chunk);
      this.#parts.pop();
      this.#parts.push({ chunk: last.chunk, bytes: last.bytes + part.bytes, rows: last.rows + part.rows });
    } else {
      this.#parts.push(part);
      this.#bytes += this.#chunks.chunkBytes;
    }
    this.#rows += part.rows;
    this.endedMs = nowMs;
  }

  async check(): Promise<void> {
    await this.#file?.check();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    if (this.#file !== undefined) return yield* this.#file.read();
    this.#readers += 1;
    try {
      // A copy: the connection may still hold the bytes when the chunk has been lent again.
      for (const part of this.#parts) yield Buffer.from(this.#bytesOf(part));
    } finally {
      this.#readers -= 1;
    }
  }

  async remove(): Promise<void> {
    if (this.isInMemory) this.#left?.(this.#rows);
    this.#isRemoved = true;
    this.#giveChunks();
    await this.#file?.remove();
  }

  /** Becomes a file, with the same name and rows in its place of the queue; stays in memory if that does not work. */
  async moveToDisk({ directory, disk, budget }: WayToDisk): Promise<void> {
    if (this.#mustStay) return;
    const bytes = this.#parts.reduce((sum, part) => sum + bytesInFile(part.bytes), 0);
    if (!budget.reserve(this.table, 'disk', bytes)) return;
    const growing = new SegmentFile(directory, this.name, this.begunMs);
    const runs = this.#parts.map((part) => ({ bytes: this.#bytesOf(part), rows: part.rows }));
    await growing.append(runs, this.endedMs).catch((error) => disk.failed(error, 'write'));
    const file = await growing.seal(this.table);
    if (file === undefined || this.#mustStay) {
      budget.release('disk', bytes);
      await growing.close();
      await file?.remove().catch(() => undefined);
      return;
    }
    disk.changed(growing);
    budget.release('memory', this.#bytes);
    this.#file = file;
    this.#left?.(this.#rows);
    this.#giveChunks();
  }

  /** Somebody reads it, or it is gone, or a file. */
  get #mustStay(): boolean {
    return this.#readers > 0 || !this.isInMemory;
  }

  #bytesOf({ chunk, bytes }: Part): Uint8Array {
    return this.#arena.bytes.subarray(chunk, chunk + bytes);
  }

  #giveChunks(): void {
    for (const { chunk } of this.#parts) this.#chunks.give(chunk);
    this.#parts = [];
  }
}
