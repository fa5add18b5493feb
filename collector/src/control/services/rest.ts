/**
 * Places in the kernel's tables. One that was given back rests before it is given out again: a program that read its
 * number before may still be on its way there.
 */

/** Milliseconds; a program runs for microseconds. */
const REST_MS = 1000;

/** Hands out runs of `size` places, from a number of places that all sizes share. */
export class Places {
  readonly #most: number;
  readonly #free = new Map<number, { place: number; sinceMs: number }[]>();
  #next = 0;
  #used = 0;

  /** @param most places there are */
  constructor(most: number) {
    this.#most = most;
  }

  /** Places in use. */
  get used(): number {
    return this.#used;
  }

  /** @returns the first of `size` places; undefined if there is no room now */
  take(size: number, nowMs: number): number | undefined {
    const free = this.#free.get(size);
    const oldest = free?.[0];
    if (oldest !== undefined && nowMs - oldest.sinceMs >= REST_MS) {
      free?.shift();
      this.#used += size;
      return oldest.place;
    }
    if (this.#next + size > this.#most) return undefined;
    const place = this.#next;
    this.#next += size;
    this.#used += size;
    return place;
  }

  /** Gives back what was never written anywhere: it need not rest. */
  cancel(place: number, size: number): void {
    this.giveBack(place, size, Number.NEGATIVE_INFINITY);
    const free = this.#free.get(size);
    const last = free?.pop();
    if (last !== undefined) free?.unshift(last);
  }

  giveBack(place: number, size: number, nowMs: number): void {
    this.#used -= size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [{ place, sinceMs: nowMs }]);
    else free.push({ place, sinceMs: nowMs });
  }
}
