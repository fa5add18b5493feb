/** From the kernel's boot clock to wall-clock time, in two 32-bit halves: no BigInt and no object per record. */

/** The clocks of a machine; tests bring their own. */
export interface Clocks {
  /** CLOCK_REALTIME minus CLOCK_BOOTTIME in nanoseconds, read as close together as can be. */
  wallMinusBootNs(): bigint;
  /** CLOCK_REALTIME, nanoseconds since the epoch. */
  wallNs(): bigint;
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC in milliseconds, read quickly, exact to a few; left out: steps are found late. */
  roughMs?(): number;
}

/** Below this the two clocks agree; above it wall time was slewed or set. 100 µs. */
const TOLERATED_NS = 100_000n;
/** From here on a change is a step that people want to hear of. 1 s. */
const STEP_NS = 1_000_000_000n;
/** A change of the rough difference that is more than its noise, and than what slewing does between two anchors. 50 ms. */
const NOTICED_MS = 50;

/** Milliseconds of one in the high half of a time in nanoseconds. */
const HIGH_MS = 2 ** 32 / 1e6;

/** Turns boot times into wall times. */
export class WallClock {
  readonly #clocks: Clocks;
  #offset: bigint;
  #roughMs: number;
  #offsetLow = 0;
  #offsetHigh = 0;
  /** Low half of the last converted time. */
  low = 0;
  /** High half of the last converted time. */
  high = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#offset = 0n;
    this.#roughMs = clocks.roughMs?.() ?? 0;
    this.#adopt(clocks.wallMinusBootNs());
  }

  /**
   * Looks at both clocks again: wall time is slewed by NTP and may be set.
   * @returns nanoseconds of the step if wall time was set, else 0
   */
  reanchor(): bigint {
    const offset = this.#clocks.wallMinusBootNs();
    this.#roughMs = this.#clocks.roughMs?.() ?? 0;
    const change = offset - this.#offset;
    const size = change < 0n ? -change : change;
    if (size > TOLERATED_NS) this.#adopt(offset);
    return size >= STEP_NS ? change : 0n;
  }

  /**
   * To be called at each look, which it costs next to nothing: looks at both clocks again if wall time has just been set,
   * so that no record is dated by the old offset.
   * @returns as `reanchor`
   */
  noticeStep(): bigint {
    const roughMs = this.#clocks.roughMs?.() ?? 0;
    if (Math.abs(roughMs - this.#roughMs) < NOTICED_MS) return 0n;
    return this.reanchor();
  }

  /** Converts a boot time given in halves; the result is in `low` and `high`. */
  convert(bootLow: number, bootHigh: number): void {
    const low = (bootLow + this.#offsetLow) >>> 0;
    const carry = low < bootLow >>> 0 ? 1 : 0;
    this.low = low;
    this.high = (bootHigh + this.#offsetHigh + carry) >>> 0;
  }

  /** The last converted time in milliseconds since the epoch, exact to a microsecond. */
  get milliseconds(): number {
    return this.high * HIGH_MS + this.low / 1e6;
  }

  /** What is added to boot times, nanoseconds. */
  get wallMinusBootNs(): bigint {
    return this.#offset;
  }

  /** Wall-clock time now, nanoseconds since the epoch. */
  nowNs(): bigint {
    return this.#clocks.wallNs();
  }

  #adopt(offset: bigint): void {
    this.#offset = offset;
    this.#offsetLow = Number(BigInt.asUintN(32, offset));
    this.#offsetHigh = Number(BigInt.asUintN(32, offset >> 32n));
  }
}
