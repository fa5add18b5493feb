/** The memory that rows wait in until they are in a spool file: a fixed number of equal chunks, lent in turn. */
import type { Arena } from '../batch/arena.ts';

/** Lends chunks of the arena. */
export class ChunkPool {
  /** Bytes of one chunk. */
  readonly chunkBytes: number;
  readonly #free: number[];

  constructor(arena: Arena, count: number, chunkBytes: number) {
    this.chunkBytes = chunkBytes;
    this.#free = Array.from({ length: count }, () => arena.take(chunkBytes));
  }

  /** Offset of a chunk in the arena, or -1 if all are lent. */
  take(): number {
    return this.#free.pop() ?? -1;
  }

  give(chunk: number): void {
    this.#free.push(chunk);
  }

  /** Chunks that are not lent. */
  get free(): number {
    return this.#free.length;
  }
}
