/** How much may wait for ClickHouse, on disk and in memory; what goes first when it is more. */
import type { Discard } from '../counters.ts';
import type { Segment } from './segment.ts';

/** Tables whose segments make room for others, the first one first; the rest is few rows, and stays. */
const DROPPED_FIRST = ['tcp_events', 'requests', 'verdicts', 'flows'];
/** Tables of which nothing stays for ever: reports tell of rows that have gone by then. */
const AGED = [...DROPPED_FIRST, 'collector_reports'];

type Place = Segment['place'];

const REASONS: Readonly<Record<Place, Discard>> = { disk: 'row_spool_dropped', memory: 'row_write_failed' };

/** Where the segments of a table wait. */
export interface Queue {
  /** Takes the oldest segment of some kind out of the queue, of those that nobody has begun to send; undefined if none is. */
  withdraw(wanted: (segment: Segment, endedAtMs: number) => boolean): Segment | undefined;
}

export interface SpoolBudgetOptions {
  /** Most bytes of segments in each place. */
  readonly limits: Readonly<Record<Place, number>>;
  /** Longest that a segment waits, milliseconds. */
  readonly maxAgeMs: number;
  /** Gets segments that were dropped: they are counted, and removed from their place. */
  readonly dropped: (segment: Segment, reason: Discard) => void;
}

/** Bytes that wait, over all tables. */
export class SpoolBudget {
  readonly #options: SpoolBudgetOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #used: Record<Place, number> = { disk: 0, memory: 0 };

  constructor(options: SpoolBudgetOptions) {
    this.#options = options;
  }

  /** Tells where the segments of a table wait. */
  watch(table: string, queue: Queue): void {
    this.#queues.set(table, queue);
  }

  used(place: Place): number {
    return this.#used[place];
  }

  limit(place: Place): number {
    return this.#options.limits[place];
  }

  /**
   * Takes room for rows of a table; segments that go before them are dropped if need be, the oldest of a table first.
   * @returns false, and nothing taken, if these rows are the next to go themselves
   */
  reserve(table: string, place: Place, bytes: number): boolean {
    const fits = () => this.#used[place] + bytes <= this.limit(place);
    for (const first of DROPPED_FIRST) {
      while (!fits() && this.#drop(first, REASONS[place], (segment) => segment.place === place));
      if (fits()) break;
      if (first === table) return false;
    }
    this.#used[place] += bytes;
    return true;
  }

  /** Takes room for bytes that are there already, whether it fits or not. */
  take(place: Place, bytes: number): void {
    this.#used[place] += bytes;
  }

  release(place: Place, bytes: number): void {
    this.#used[place] -= bytes;
  }

  /** Drops what has waited for too long, whatever the wall clock is set to. */
  dropAged(): void {
    const before = performance.now() - this.#options.maxAgeMs;
    const isOld = (_segment: Segment, endedAtMs: number) => endedAtMs < before;
    for (const table of AGED) while (this.#drop(table, 'row_spool_dropped', isOld));
  }

  #drop(table: string, reason: Discard, wanted: Parameters<Queue['withdraw']>[0]): boolean {
    const segment = this.#queues.get(table)?.withdraw(wanted);
    if (segment === undefined) return false;
    this.release(segment.place, segment.bytes);
    this.#options.dropped(segment, reason);
    return true;
  }
}
