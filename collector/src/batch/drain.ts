/**
 * Empties the kernel's rings: when a ring says it is readable, and in any case every few milliseconds. While nothing comes
 * the looks come less and less often, since each is a wake-up of the process, and the kernel is told to wake the reader at
 * the next record.
 */
import type { Arena } from './arena.ts';

/** A ring buffer of the kernel, as collector/native opens it. */
export interface RecordRing {
  /** Copies whole records, each padded to eight bytes, into the buffer; returns the bytes copied. */
  drain(buffer: Uint8Array): number;
  /** Calls back whenever records wait to be read; null stops that. */
  onReadable(callback: (() => void) | null): void;
  close(): void;
}

/** Gets each look's records: offsets in the arena, valid until the look after the next. Called even when there are none. */
export type BatchReader = (begin: number, end: number) => void;

export interface DrainOptions {
  readonly arena: Arena;
  readonly rings: readonly RecordRing[];
  /** Bytes read at one look at most; two such regions are set aside. */
  readonly bufferBytes: number;
  /** Longest wait between two looks while records come, milliseconds. */
  readonly intervalMs: number;
  /** Who wakes the reader when it rests; left out: it never does. */
  readonly sleep?: {
    /** Has the next record call back as readable. */
    wakeAtNext(): void;
    /** Bytes that wait in the rings. */
    ringBytes(): number;
  };
  /** Bytes of the largest record, padded: less room than this is not offered to a ring. */
  readonly largestRecord: number;
  readonly read: BatchReader;
  /** Whether there is room for what one more look brings; without, records wait in the rings. */
  readonly hasRoom?: () => boolean;
  /** Told of each look that found records: their bytes, and performance.now() before it. */
  readonly looked?: (bytes: number, beganMs: number) => void;
}

/** Full looks in a row before other work of the process gets its turn. */
const LOOKS_AT_ONCE = 4;
/** Longest wait between two looks when nothing comes, milliseconds: rows that wait for their batch to be old enough do so. */
const REST_MS = 250;

/** Reads the rings into two regions in turn, so that one look's records can wait for the next look's. */
export class Drain {
  readonly #options: DrainOptions;
  readonly #regions: readonly number[];
  #turn = 0;
  #listening = false;
  #timer: NodeJS.Timeout | undefined;
  /** What the timer waits. */
  #waitMs = 0;
  /** Whether the rings were empty, and room for what they may bring, since the timer began to wait. */
  #isQuiet = false;
  #again: NodeJS.Immediate | undefined;
  /** Looks at the rings so far, and times there was no room for one: then the disk is what is too slow. */
  looks = 0;
  looksWithoutRoom = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#regions = [options.arena.take(options.bufferBytes), options.arena.take(options.bufferBytes)];
  }

  /** Begins to look. */
  start(): void {
    this.#listen(true);
    this.#wait(this.#options.intervalMs);
  }

  /** Stops looking; what is in the rings stays there until `look` is called. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listen(false);
    clearImmediate(this.#again);
    this.#again = undefined;
  }

  /** Empties the rings, or as much of them as fits into a few regions; the rest follows at once. */
  look(): void {
    if (this.#again !== undefined) return;
    const { hasRoom } = this.#options;
    for (let looks = 0; looks < LOOKS_AT_ONCE; looks += 1) {
      if (hasRoom?.() === false) {
        this.looksWithoutRoom += 1;
        this.#isQuiet = false;
        // Rings that are not read would call back without end; until there is room the timer looks.
        this.#listen(false);
        return;
      }
      this.#listen(this.#timer !== undefined);
      if (!this.#lookOnce()) return;
    }
    this.#again = setImmediate(() => {
      this.#again = undefined;
      this.look();
    });
  }

  /** Empties the rings for the last time, whatever it takes, within `limit` looks. */
  finish(limit: number): void {
    for (let looks = 0; looks < limit && this.#lookOnce(); looks += 1);
    this.#lookOnce();
  }

  #listen(listening: boolean): void {
    if (listening === this.#listening) return;
    this.#listening = listening;
    for (const ring of this.#options.rings) ring.onReadable(listening ? () => this.#woken() : null);
  }

  #woken(): void {
    this.look();
    if (this.#timer !== undefined && this.#waitMs > this.#options.intervalMs) this.#wait(this.#options.intervalMs);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#isQuiet = true;
    this.#waitMs = ms;
    this.#timer = setTimeout(() => this.#elapsed(), ms);
  }

  #elapsed(): void {
    this.look();
    const { intervalMs, sleep } = this.#options;
    const restMs = Math.min(2 * this.#waitMs, REST_MS);
    let rests = this.#isQuiet && restMs > intervalMs && sleep !== undefined;
    if (rests) {
      sleep?.wakeAtNext();
      // What came before the kernel knew wakes nobody.
      rests = sleep?.ringBytes() === 0;
    }
    this.#wait(rests ? restMs : intervalMs);
  }

  /** @returns whether the region was too small for what the rings hold */
  #lookOnce(): boolean {
    const { arena, rings, bufferBytes, largestRecord, read, looked } = this.#options;
    const beganMs = performance.now();
    this.looks += 1;
    const begin = this.#regions[this.#turn] as number;
    this.#turn = 1 - this.#turn;
    const limit = begin + bufferBytes;
    let end = begin;
    let full = false;
    for (const ring of rings) {
      if (limit - end < largestRecord) {
        full = true;
        break;
      }
      end += ring.drain(arena.bytes.subarray(end, limit));
      full ||= limit - end < largestRecord;
    }
    read(begin, end);
    if (end > begin) {
      this.#isQuiet = false;
      looked?.(end - begin, beganMs);
    }
    return full;
  }
}
