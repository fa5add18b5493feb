/**
 * Who had which address when. News comes late and the API server's times are cut off to seconds, so that each claim has
 * four bounds: from when a pod may have had an address and from when it had it for sure, until when for sure and until
 * when maybe. Where claims meet, only a sure one counts, and two sure ones are nobody's: wrong is worse than unknown.
 */
import { AddressSlots, type Words } from './addresses.ts';
import { Column } from './columns.ts';

/** Bounds in milliseconds since the epoch; `from` ≤ `sure`, `left` ≤ `to`. */
export interface Bounds {
  readonly from: number;
  readonly sure: number;
  readonly left: number;
  readonly to: number;
}

/** Is told where who has an address may be another than before. */
export interface ClaimsWatcher {
  /** A claim began or ended. */
  changed(claim: number): void;
  /** A claim is gone: its address can be read until the next one is added, which may have its number. */
  removed(claim: number): void;
}

/** Answers of `owner` that are no owner's number: the address was never anybody's, or at that time not for sure. */
export const NEVER = -1;
export const NOT_SURE = 0;

/** Times of doubt that are told apart. */
const MOST_DOUBTS = 16;

/** Claims of addresses by numbered owners. */
export class Claims {
  watcher: ClaimsWatcher | undefined;
  readonly #addresses = new AddressSlots();
  readonly #owner = new Column(Uint32Array);
  /** The owner's next claim. */
  readonly #next = new Column(Uint32Array);
  readonly #from = new Column(Float64Array);
  readonly #sure = new Column(Float64Array);
  /** 0 while there is no end: nearly all are so, and take nothing here. */
  readonly #left = new Column(Float64Array);
  readonly #to = new Column(Float64Array);
  readonly #doubts: { readonly fromMs: number; readonly toMs: number }[] = [];

  get count(): number {
    return this.#addresses.count;
  }

  /** The highest number of a claim so far. */
  get last(): number {
    return this.#addresses.last;
  }

  /** @param next the owner's claim before this one, or 0 */
  add(words: Words, owner: number, next: number, bounds: Pick<Bounds, 'from' | 'sure'>): number {
    const claim = this.#addresses.add(words);
    this.#owner.set(claim, owner);
    this.#next.set(claim, next);
    this.#from.set(claim, bounds.from);
    this.#sure.set(claim, bounds.sure);
    this.#left.set(claim, 0);
    this.#to.set(claim, 0);
    this.watcher?.changed(claim);
    return claim;
  }

  remove(claim: number): void {
    this.#addresses.remove(claim);
    this.watcher?.removed(claim);
  }

  /** Nobody listened then: others than are known may have had any address that was not its owner's for sure. */
  doubt(fromMs: number, toMs: number): void {
    this.#doubts.push({ fromMs, toMs });
    if (this.#doubts.length <= MOST_DOUBTS) return;
    const [first, second] = this.#doubts.splice(0, 2);
    this.#doubts.unshift({ fromMs: Math.min(first!.fromMs, second!.fromMs), toMs: second!.toMs });
  }

  ownerOf(claim: number): number {
    return this.#owner.get(claim);
  }

  /** The owner's next claim, or 0. */
  next(claim: number): number {
    return this.#next.get(claim);
  }

  setNext(claim: number, next: number): void {
    this.#next.set(claim, next);
  }

  isOpen(claim: number): boolean {
    return this.#to.get(claim) === 0;
  }

  is(claim: number, words: Words): boolean {
    return this.#addresses.is(claim, words);
  }

  read(claim: number, words: Words): void {
    this.#addresses.read(claim, words);
  }

  bounds(claim: number): Bounds {
    return {
      from: this.#from.get(claim),
      sure: this.#sure.get(claim),
      left: end(this.#left.get(claim)),
      to: end(this.#to.get(claim)),
    };
  }

  setLeft(claim: number, ms: number): void {
    this.#left.set(claim, Math.max(1, ms));
  }

  close(claim: number, left: number, to: number): void {
    this.#left.set(claim, Math.max(1, Math.min(left, to)));
    this.#to.set(claim, to);
    this.watcher?.changed(claim);
  }

  /** Number of whoever had an address, or NEVER, or NOT_SURE. */
  owner(words: Words, ms: number): number {
    let claim = this.#addresses.first(words);
    if (claim === 0) return NEVER;
    let possible = 0;
    let possibleOwner = 0;
    let sure = 0;
    let sureOwner = 0;
    for (; claim !== 0; claim = this.#addresses.after(claim, words)) {
      if (ms < this.#from.get(claim) || ms >= end(this.#to.get(claim))) continue;
      possible += 1;
      possibleOwner = this.#owner.get(claim);
      if (ms < this.#sure.get(claim) || ms >= end(this.#left.get(claim))) continue;
      sure += 1;
      sureOwner = possibleOwner;
    }
    if (sure === 1) return sureOwner;
    return possible === 1 && !this.#isDoubted(ms) ? possibleOwner : NOT_SURE;
  }

  /** Who has an address now as far as is known; 0 if nobody. */
  current(words: Words): number {
    let claim = this.#addresses.first(words);
    while (claim !== 0 && !this.isOpen(claim)) claim = this.#addresses.after(claim, words);
    return claim === 0 ? 0 : this.#owner.get(claim);
  }

  /** Who has an address now, if it is one only as far as is known; 0 if nobody, or several. */
  sole(words: Words): number {
    let only = 0;
    for (let claim = this.#addresses.first(words); claim !== 0; claim = this.#addresses.after(claim, words)) {
      if (!this.isOpen(claim)) continue;
      if (only !== 0) return 0;
      only = this.#owner.get(claim);
    }
    return only;
  }

  #isDoubted(ms: number): boolean {
    for (const { fromMs, toMs } of this.#doubts) if (ms >= fromMs && ms < toMs) return true;
    return false;
  }
}

function end(ms: number): number {
  return ms === 0 ? Number.POSITIVE_INFINITY : ms;
}
