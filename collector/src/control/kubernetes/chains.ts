/** A hash index over numbered slots in two typed arrays: no object per entry. */

import { Column } from './columns.ts';

/** Slots per chain in the mean before there are more chains. */
const MOST_PER_HEAD = 2;

/** Slots with the same hash are chained; whoever looks compares what they hold. Slot 0 means none. */
export class Chains {
  readonly #hashOf: (slot: number) => number;
  #heads = new Uint32Array(1024);
  readonly #next = new Column(Uint32Array);
  #count = 0;

  /** @param hashOf hash of a slot that is in, for when the index grows */
  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf;
  }

  add(slot: number, hash: number): void {
    if (this.#count >= MOST_PER_HEAD * this.#heads.length) this.#spread();
    this.#link(slot, hash);
    this.#count += 1;
  }

  remove(slot: number, hash: number): void {
    const bucket = (hash >>> 0) & (this.#heads.length - 1);
    const after = this.#next.get(slot);
    if (this.#heads[bucket] === slot) this.#heads[bucket] = after;
    else {
      let before = this.#heads[bucket] as number;
      while (before !== 0 && this.#next.get(before) !== slot) before = this.#next.get(before);
      if (before === 0) return;
      this.#next.set(before, after);
    }
    this.#count -= 1;
  }

  /** The first slot that may have this hash, or 0. */
  first(hash: number): number {
    return this.#heads[(hash >>> 0) & (this.#heads.length - 1)] as number;
  }

  /** The one after it, or 0. */
  after(slot: number): number {
    return this.#next.get(slot);
  }

  #link(slot: number, hash: number): void {
    const bucket = (hash >>> 0) & (this.#heads.length - 1);
    this.#next.set(slot, this.#heads[bucket] as number);
    this.#heads[bucket] = slot;
  }

  #spread(): void {
    const before = this.#heads;
    const slots: number[] = [];
    for (let slot of before) for (; slot !== 0; slot = this.#next.get(slot)) slots.push(slot);
    this.#heads = new Uint32Array(before.length * 2);
    for (const slot of slots) this.#link(slot, this.#hashOf(slot));
  }
}

/** Numbers for slots, given back and given out again; never 0. */
export class Slots {
  /** Given back and not taken again. */
  readonly free: number[] = [];
  #last = 0;

  /** The highest number given out so far. */
  get last(): number {
    return this.#last;
  }

  get count(): number {
    return this.#last - this.free.length;
  }

  take(): number {
    const again = this.free.pop();
    if (again !== undefined) return again;
    this.#last += 1;
    return this.#last;
  }

  giveBack(slot: number): void {
    this.free.push(slot);
  }
}
