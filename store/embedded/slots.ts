/** A bounded number of things at once, shared fairly among those who ask, and a bounded number that wait their turn. */
import { EngineError } from './engine_error.ts';

/** Most that wait in one queue. */
export const QUEUE_LENGTH = 512;

/** How much of it all one asker may take. */
export interface AskersShare {
  /** Most slots that one asker has at once, even if others are free. */
  readonly atOnce: number;
  /** Most of one asker that wait. */
  readonly waiting: number;
  /**
   * Longest that one waits while all slots are taken, in milliseconds; any time if undefined. Who starts late has no time
   * to end: where all wait too long, nobody's work would ever be done.
   */
  readonly longestWaitMs?: number;
}

interface Waiting {
  readonly asker: string;
  readonly start: () => void;
}

/** Hands out slots: the next free one goes to who waits and has fewest, among equals to who came first. */
export class Slots {
  readonly #size: number;
  readonly #queueLength: number;
  readonly #share: AskersShare;
  readonly #waiting = new Set<Waiting>();
  readonly #takenBy = new Map<string, number>();
  #taken = 0;

  /**
   * @param size most at once
   * @param queueLength most that wait; who comes after them is refused
   * @param share what one asker may take of both; all, if it is left out
   */
  constructor(size: number, queueLength: number, share: AskersShare = { atOnce: size, waiting: queueLength }) {
    this.#size = size;
    this.#queueLength = queueLength;
    this.#share = share;
  }

  /** How many have a slot, and how many wait for one. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#taken, waiting: this.#waiting.size };
  }

  /**
   * Waits for a slot.
   * @param asker who it is for
   * @returns gives it back; call it once
   * @throws EngineError 202 if too many wait, or after longestWaitMs; the signal's reason if it fires first
   */
  async take(signal?: AbortSignal, asker = ''): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#mayStart(asker)) {
      this.#begin(asker);
    } else if (this.#mayWait(asker)) {
      await this.#turn(asker, signal);
    } else {
      throw this.#full();
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#end(asker);
    };
  }

  #full(): EngineError {
    const load = `${this.#taken} run and ${this.#waiting.size} wait`;
    return new EngineError(202, `Too many simultaneous queries: ${load}: try again later`);
  }

  #has(asker: string): number {
    return this.#takenBy.get(asker) ?? 0;
  }

  #mayStart(asker: string): boolean {
    return this.#taken < this.#size && this.#has(asker) < this.#share.atOnce;
  }

  #mayWait(asker: string): boolean {
    if (this.#waiting.size >= this.#queueLength) return false;
    let own = 0;
    for (const waiting of this.#waiting) if (waiting.asker === asker) own++;
    return own < this.#share.waiting;
  }

  #begin(asker: string): void {
    this.#taken++;
    this.#takenBy.set(asker, this.#has(asker) + 1);
  }

  #end(asker: string): void {
    this.#taken--;
    const left = this.#has(asker) - 1;
    if (left > 0) this.#takenBy.set(asker, left);
    else this.#takenBy.delete(asker);
    // Handed over at once: nobody who comes in between may take it.
    const next = this.#next();
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#begin(next.asker);
    next.start();
  }

  #next(): Waiting | undefined {
    let best: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (!this.#mayStart(waiting.asker)) continue;
      if (best === undefined || this.#has(waiting.asker) < this.#has(best.asker)) best = waiting;
    }
    return best;
  }

  #turn(asker: string, signal?: AbortSignal): Promise<void> {
    const { longestWaitMs } = this.#share;
    return new Promise((resolve, reject) => {
      const settled = () => {
        clearTimeout(overdue);
        signal?.removeEventListener('abort', leave);
      };
      const waiting: Waiting = {
        asker,
        start: () => {
          settled();
          resolve();
        },
      };
      const giveUp = (why: unknown) => {
        settled();
        this.#waiting.delete(waiting);
        reject(why);
      };
      const leave = () => giveUp(signal?.reason);
      // Where slots are free it waits for its own asker's others alone, who takes no time from anybody else.
      const late = () => this.#taken >= this.#size && giveUp(this.#full());
      const overdue = longestWaitMs === undefined ? undefined : setTimeout(late, longestWaitMs);
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.add(waiting);
    });
  }
}
