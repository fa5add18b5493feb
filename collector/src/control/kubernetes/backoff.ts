/** How long to wait before the next attempt. */

export interface BackoffOptions {
  /** First wait before jitter, milliseconds. */
  readonly firstMs: number;
  /** Longest wait before jitter, milliseconds. */
  readonly mostMs: number;
  /** After so long without a failure the next one waits the first time again, milliseconds. */
  readonly resetMs: number;
}

/** As client-go's reflector waits. */
export const API_BACKOFF: BackoffOptions = { firstMs: 800, mostMs: 30_000, resetMs: 120_000 };

/** Longest wait that a server may ask for, milliseconds. */
const RETRY_AFTER_MOST_MS = 300_000;

/**
 * Waits that double from the first to the longest, each spread over one to two times its length, so that the collectors
 * of a cluster do not come back in one moment.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #waitMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param random uniform in [0, 1) */
  constructor(options: BackoffOptions = API_BACKOFF, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
    this.#waitMs = options.firstMs;
  }

  /**
   * The wait after a failure now.
   * @param nowMs any clock that only goes forward, milliseconds
   * @param retryAfterMs what the server asked for, milliseconds: never less than that
   */
  next(nowMs: number, retryAfterMs = 0): number {
    const { firstMs, mostMs, resetMs } = this.#options;
    if (nowMs - this.#lastMs > resetMs) this.#waitMs = firstMs;
    const waitMs = Math.max(this.#waitMs, Math.min(retryAfterMs, RETRY_AFTER_MOST_MS)) * (1 + this.#random());
    this.#waitMs = Math.min(this.#waitMs * 2, mostMs);
    // What is waited now is no time without a failure.
    this.#lastMs = nowMs + waitMs;
    return waitMs;
  }
}
