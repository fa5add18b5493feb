/**
 * Whether resident memory grows. Shedding gives none of it back: memory that was taken once and stays is no reason to shed,
 * only memory that is being taken is.
 */

/** Compared with the highest of one to two minutes: garbage that comes and is collected is no growth. */
const PERIOD_MS = 60_000;
/** Share by which it must be above that. */
const LEAST_GROWTH = 0.01;

export class MemoryGrowth {
  #sinceMs: number | undefined;
  /** The highest of this period, and of the one before. */
  #highest = 0;
  #highestBefore = 0;

  /** @returns whether it is clearly above what it was lately */
  grows(bytes: number, nowMs: number): boolean {
    const lately = Math.max(this.#highest, this.#highestBefore);
    const grows = this.#sinceMs !== undefined && bytes > lately * (1 + LEAST_GROWTH);
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs > PERIOD_MS) {
      this.#sinceMs = nowMs;
      this.#highestBefore = this.#highest;
      this.#highest = 0;
    }
    this.#highest = Math.max(this.#highest, bytes);
    return grows;
  }
}
