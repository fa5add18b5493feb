/** A segment in memory: rows that the disk did not take. */
import type { Arena } from '../batch/arena.ts';
import type { ChunkPool } from './chunks.ts';
import type { Segment } from './segment.ts';

/** Rows in a chunk, from its beginning. */
export interface Part {
  readonly chunk: number;
  readonly bytes: number;
  readonly rows: number;
}

/** Grows by `append`, then waits for ClickHouse. */
export class MemorySegment implements Segment {
  readonly place = 'memory';
  readonly damaged = 0;
  readonly table: string;
  readonly name: string;
  readonly begunMs: number;
  endedMs: number;
  rows = 0;
  /** Memory that it takes: whole chunks. */
  bytes = 0;
  readonly #arena: Arena;
  readonly #chunks: ChunkPool;
  readonly #parts: Part[] = [];

  constructor(table: string, name: string, begunMs: number, arena: Arena, chunks: ChunkPool) {
    this.table = table;
    this.name = name;
    this.begunMs = begunMs;
    this.endedMs = begunMs;
    this.#arena = arena;
    this.#chunks = chunks;
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
      this.bytes += this.#chunks.chunkBytes;
    }
    this.rows += part.rows;
    this.endedMs = nowMs;
  }

  async check(): Promise<void> {}

  async *read(): AsyncGenerator<Uint8Array> {
    // A copy: the connection may still hold the bytes when the chunk has been lent again.
    for (const { chunk, bytes } of this.#parts) yield Buffer.from(this.#arena.bytes.subarray(chunk, chunk + bytes));
  }

  async remove(): Promise<void> {
    for (const { chunk } of this.takeParts()) this.#chunks.give(chunk);
  }

  /** Its parts, which are the caller's from now on; it is empty. */
  takeParts(): Part[] {
    return this.#parts.splice(0);
  }
}
