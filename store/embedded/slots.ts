/** A bounded number of things at once, and a bounded number that wait their turn. */
import { EngineError } from './engine_error.ts';

/** Most that wait in one queue. */
export const QUEUE_LENGTH = 256;

interface Waiting {
  readonly start: () => void;
}

/** Hands out slots in order of arrival. */
export class Slots {
  readonly #size: number;
  readonly #queueLength: number;
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  /**
   * @param size most at once
   * @param queueLength most that wait; who comes after them is refused
   */
  constructor(size: number, queueLength: number) {
    this.#size = size;
    this.#queueLength = queueLength;
  }

  /** How many have a slot, and how many wait for one. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#taken, waiting: this.#waiting.length };
  }

  /**
   * Waits for a slot.
   * @returns gives it back; call it once
   * @throws EngineError 202 if too many wait, 394 if the signal fires first
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#taken < this.#size) {
      this.#taken++;
    } else if (this.#waiting.length < this.#queueLength) {
      await this.#turn(signal);
    } else {
      throw new EngineError(
        202,
        `Too many simultaneous queries: ${this.#taken} run and ${this.#waiting.length} wait: try again later`,
      );
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      // Handed over, not given back: nobody who comes in between may take it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next.start();
    };
  }

  #turn(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiting);
    });
  }
}
