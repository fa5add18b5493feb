/**
 * A bounded table from 64-bit fingerprints to small numbers, in typed arrays: no object per entry. Four places per
 * bucket; when all are taken, the one not written for longest is forgotten. What belongs together stands together: memory
 * that is far apart is what a lookup costs.
 */
const PLACES = 4;

/** Words of an entry's key; a bucket of them is a cache line. */
const KEY = 4;
const HIGH = 1;
const WRITTEN = 2;

export class FingerprintTable {
  readonly #mask: number;
  /** Per place: low and high half of the fingerprint, and when it was written. */
  readonly #keys: Uint32Array;
  /** Whether the place claimed last was made, or had held no longer. */
  isNew = false;
  /** Numbers that are kept per place. */
  readonly width: number;
  /** What is kept: that of a place begins at place × width; 0 in new places. */
  readonly values: Uint32Array;

  /**
   * @param capacity entries; a power of two
   * @param width numbers kept per entry
   */
  constructor(capacity: number, width: number) {
    this.#mask = capacity / PLACES - 1;
    this.#keys = new Uint32Array(capacity * KEY);
    this.width = width;
    this.values = new Uint32Array(capacity * width);
  }

  /** The place of a fingerprint, or -1. */
  find(low: number, high: number): number {
    const keys = this.#keys;
    const begin = (low & this.#mask) * PLACES;
    for (let place = begin; place < begin + PLACES; place += 1) {
      const key = place * KEY;
      if (keys[key] === low >>> 0 && keys[key + HIGH] === high >>> 0 && keys[key + WRITTEN] !== 0) return place;
    }
    return -1;
  }

  /**
   * The place of a fingerprint, made if need be.
   * @param now any number that grows with time and is not 0
   * @param holds how long a place holds that is not claimed again; what it kept is then forgotten
   */
  claim(low: number, high: number, now: number, holds = Number.POSITIVE_INFINITY): number {
    const keys = this.#keys;
    let place = this.find(low, high);
    this.isNew = place === -1 || now - this.written(place) > holds;
    if (place !== -1 && this.isNew) this.reset(place);
    if (place === -1) {
      place = (low & this.#mask) * PLACES;
      for (let other = place + 1; other < (low & this.#mask) * PLACES + PLACES; other += 1) {
        if (this.written(other) < this.written(place)) place = other;
      }
      keys[place * KEY] = low;
      keys[place * KEY + HIGH] = high;
      this.reset(place);
    }
    keys[place * KEY + WRITTEN] = now;
    return place;
  }

  /** Forgets what a place keeps. */
  reset(place: number): void {
    const end = (place + 1) * this.width;
    for (let at = place * this.width; at < end; at += 1) this.values[at] = 0;
  }

  /** The low bits of the fingerprints that may have a place. */
  lowOf(place: number): number {
    return Math.trunc(place / PLACES);
  }

  /** When a place was last claimed. */
  written(place: number): number {
    return this.#keys[place * KEY + WRITTEN] as number;
  }

  clear(): void {
    for (let at = WRITTEN; at < this.#keys.length; at += KEY) this.#keys[at] = 0;
  }
}
