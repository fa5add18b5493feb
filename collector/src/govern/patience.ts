/**
 * When detail may come back. Where one step more is sure to fit by what is measured (each step doubles rows at most), it
 * comes soon; else it is tried, and the longer between two tries the more of them failed. So a constant load is met by a
 * level that stays, save for tries ever rarer, and any load that goes is followed by all detail.
 */

/** Below this share of the budget more detail is tried at all. */
const CALM = 0.8;
const SURE_MS = 3000;
const TRY_MS = 10_000;
/** How much longer the wait becomes at most: tries every five minutes. */
const MOST_BACKOFF = 32;
/** A rise so soon after a fall says that the fall was a mistake. */
const REGRET_MS = 30_000;
/** With all detail for so long, earlier mistakes are forgotten. */
const FORGIVEN_MS = 60_000;
const MOST_STEPS_DOWN = 3;

/** Decides when to take a step back, and how large. */
export class Patience {
  #calmSinceMs: number | undefined;
  #fellMs = Number.NEGATIVE_INFINITY;
  #backoff = 1;

  /** Detail was shed. */
  rose(nowMs: number): void {
    this.#calmSinceMs = undefined;
    if (nowMs - this.#fellMs <= REGRET_MS) this.#backoff = Math.min(MOST_BACKOFF, this.#backoff * 2);
    this.#fellMs = Number.NEGATIVE_INFINITY;
  }

  /** Nothing is shed. */
  rested(nowMs: number): void {
    this.#calmSinceMs = undefined;
    if (nowMs - this.#fellMs > FORGIVEN_MS) this.#backoff = 1;
  }

  /** How many steps of detail may come back now. @param pressure 1 is the budget */
  steps(pressure: number, nowMs: number): number {
    if (pressure >= CALM) {
      this.#calmSinceMs = undefined;
      return 0;
    }
    this.#calmSinceMs ??= nowMs;
    const sure = Math.floor(Math.log2(CALM / Math.max(pressure, 0.01)));
    if (nowMs - this.#calmSinceMs < this.#backoff * (sure > 0 ? SURE_MS : TRY_MS)) return 0;
    this.#calmSinceMs = nowMs;
    this.#fellMs = nowMs;
    return Math.min(MOST_STEPS_DOWN, Math.max(1, sure));
  }
}
