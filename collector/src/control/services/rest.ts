/**
 * Places in the kernel's tables. One that was given back rests before it is given out again: a program that read its
 * number before may still be on its way there.
 */

/** Milliseconds; a program runs for microseconds. */
const REST_MS = 1000;

/** Free runs of one size. */
class FreeRuns {
  readonly #rested: number[] = [];
  /** Those that were given back first come first; those before `#next` are no more there. */
  #resting: { readonly place: number; readonly sinceMs: number }[] = [];
  #next = 0;

  addRested(place: number): void {
    this.#rested.push(place);
  }

  add(place: number, sinceMs: number): void {
    this.#resting.push({ place, sinceMs });
  }

  take(nowMs: number): number | undefined {
    const oldest = this.#resting[this.#next];
    if (oldest === undefined || nowMs - oldest.sinceMs < REST_MS) return this.#rested.pop();
    this.#next += 1;
    if (this.#next * 2 > this.#resting.length) {
      this.#resting = this.#resting.slice(this.#next);
      this.#next = 0;
    }
    return oldest.place;
  }
}

/** Hands out runs of `size` places, from a number of places that all sizes share. */
export class Places {
  readonly #most: number;
  /** By size. */
  readonly #free = new Map<number, FreeRuns>();
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

  /**
   * Takes up what an earlier run left: runs of places in use. What lies between them has rested since that run ended.
   * @throws RangeError if two runs overlap or one ends behind the last place
   */
  static takenUp(most: number, runs: readonly { at: number; size: number }[]): Places {
    const places = new Places(most);
    for (const { at, size } of runs.toSorted((one, other) => one.at - other.at)) {
      if (at < places.#next || at + size > most) throw new RangeError(`places ${at} to ${at + size} of ${most}`);
      places.#freeGap(places.#next, at);
      places.#next = at + size;
      places.#used += size;
    }
    return places;
  }

  /** In runs of powers of two, which is what is asked for. */
  #freeGap(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const size = 2 ** Math.floor(Math.log2(to - at));
      this.#used += size;
      this.cancel(at, size);
      at += size;
    }
  }

  /**
   * @param size a power of two
   * @returns the first of `size` places; undefined if there is no room now
   */
  take(size: number, nowMs: number): number | undefined {
    const place = this.#freeOf(size).take(nowMs) ?? this.#takeNew(size) ?? this.#takeOfLarger(size, nowMs);
    if (place !== undefined) this.#used += size;
    return place;
  }

  #takeNew(size: number): number | undefined {
    if (this.#next + size > this.#most) return undefined;
    this.#next += size;
    return this.#next - size;
  }

  /** The first part of a run that is larger; the rest of it stays free. */
  #takeOfLarger(size: number, nowMs: number): number | undefined {
    for (let larger = size * 2; larger <= this.#most; larger *= 2) {
      const place = this.#free.get(larger)?.take(nowMs);
      if (place === undefined) continue;
      for (let half = size; half < larger; half *= 2) this.#freeOf(half).addRested(place + half);
      return place;
    }
    return undefined;
  }

  #freeOf(size: number): FreeRuns {
    const known = this.#free.get(size);
    if (known !== undefined) return known;
    const runs = new FreeRuns();
    this.#free.set(size, runs);
    return runs;
  }

  /** Gives back what was never written anywhere: it need not rest. */
  cancel(place: number, size: number): void {
    this.#used -= size;
    this.#freeOf(size).addRested(place);
  }

  giveBack(place: number, size: number, nowMs: number): void {
    this.#used -= size;
    this.#freeOf(size).add(place, nowMs);
  }
}
