/**
 * A bounded table from 64-bit fingerprints to small numbers, in typed arrays: no object per entry. Four places per
 * bucket; when all are taken, the one not written for longest is forgotten.
 */
const PLACES = 4;

export class FingerprintTable {
  readonly #mask: number;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #written: Uint32Array;
  /** What is kept for each place; 0 in new places. */
  readonly values: readonly Uint32Array[];

  /**
   * @param capacity entries; a power of two
   * @param width numbers kept per entry
   */
  constructor(capacity: number, width: number) {
    this.#mask = capacity / PLACES - 1;
    this.#low = new Uint32Array(capacity);
    this.#high = new Uint32Array(capacity);
    this.#written = new Uint32Array(capacity);
    this.values = Array.from({ length: width }, () => new Uint32Array(capacity));
  }

  /** The place of a fingerprint, or -1. */
  find(low: number, high: number): number {
    const begin = (low & this.#mask) * PLACES;
    for (let place = begin; place < begin + PLACES; place += 1) {
      if (this.#low[place] === low >>> 0 && this.#high[place] === high >>> 0 && this.#written[place] !== 0)
        return place;
    }
    return -1;
  }

  /**
   * The place of a fingerprint, made if need be.
   * @param now any number that grows with time and is not 0
   * @param holds how long a place holds that is not claimed again; what it kept is then forgotten
   */
  claim(low: number, high: number, now: number, holds = Number.POSITIVE_INFINITY): number {
    let place = this.find(low, high);
    if (place !== -1 && now - (this.#written[place] as number) > holds) this.reset(place);
    if (place === -1) {
      place = (low & this.#mask) * PLACES;
      for (let other = place + 1; other < (low & this.#mask) * PLACES + PLACES; other += 1) {
        if ((this.#written[other] as number) < (this.#written[place] as number)) place = other;
      }
      this.#low[place] = low;
      this.#high[place] = high;
      this.reset(place);
    }
    this.#written[place] = now;
    return place;
  }

  /** Forgets what a place keeps. */
  reset(place: number): void {
    for (const value of this.values) value[place] = 0;
  }

  /** When a place was last claimed. */
  written(place: number): number {
    return this.#written[place] as number;
  }

  clear(): void {
    this.#written.fill(0);
  }
}
