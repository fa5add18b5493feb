/** The memory that rows wait in until they are in a spool file: a fixed number of equal chunks, lent in turn. */
import { giveBackPages } from '../../native/addon.ts';
import type { Arena } from '../batch/arena.ts';

/** Lends chunks of the arena, those first that were given back last: the others need not be resident. */
export class ChunkPool {
  /** Bytes of one chunk. */
  readonly chunkBytes: number;
  readonly #arena: Arena;
  readonly #free: number[];
  /** As many chunks at the bottom of the pile hold no memory, and so many were not lent since `tidy`. */
  #empty: number;
  #idle: number;

  constructor(arena: Arena, count: number, chunkBytes: number) {
    this.chunkBytes = chunkBytes;
    this.#arena = arena;
    this.#free = Array.from({ length: count }, () => arena.take(chunkBytes));
    this.#empty = this.#idle = count;
  }

  /** Offset of a chunk in the arena, or -1 if all are lent. */
  take(): number {
    const chunk = this.#free.pop() ?? -1;
    this.#idle = Math.min(this.#idle, this.#free.length);
    this.#empty = Math.min(this.#empty, this.#free.length);
    return chunk;
  }

  give(chunk: number): void {
    this.#free.push(chunk);
  }

  /** Gives memory back to the kernel that no row has needed since the last call. */
  tidy(): void {
    for (const chunk of this.#free.slice(this.#empty, this.#idle)) {
      giveBackPages(this.#arena.bytes.subarray(chunk, chunk + this.chunkBytes));
    }
    this.#empty = this.#idle;
    this.#idle = this.#free.length;
  }

  /** Chunks that are not lent. */
  get free(): number {
    return this.#free.length;
  }
}
