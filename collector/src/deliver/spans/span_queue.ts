/** Sampled requests that wait to be sent: first in, first out, bounded by number. */
import type { SampledRequest } from './request_span.ts';

interface Waiting {
  readonly request: SampledRequest;
  /** Monotonic, milliseconds. */
  readonly sinceMs: number;
}

/** Emptied slots in front of the queue that are worth a copy of what is behind them. */
const WORTH_MOVING = 1024;

export class SpanQueue {
  readonly #most: number;
  #waiting: Waiting[] = [];
  #first = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get length(): number {
    return this.#waiting.length - this.#first;
  }

  get hasRoom(): boolean {
    return this.length < this.#most;
  }

  push(request: SampledRequest, nowMs: number): void {
    this.#waiting.push({ request, sinceMs: nowMs });
  }

  /** Milliseconds that the oldest has waited, 0 if none does. */
  ageMs(nowMs: number): number {
    const oldest = this.#waiting[this.#first];
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  /** Takes the oldest, as many as were there at a time. */
  take(most: number, untilMs: number): SampledRequest[] {
    const taken: SampledRequest[] = [];
    while (taken.length < most) {
      const oldest = this.#waiting[this.#first];
      if (oldest === undefined || oldest.sinceMs > untilMs) break;
      taken.push(oldest.request);
      this.#first += 1;
    }
    if (this.#first >= WORTH_MOVING && this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }

  /** Empties the queue. @returns how many were in it */
  clear(): number {
    const { length } = this;
    this.#waiting = [];
    this.#first = 0;
    return length;
  }
}
