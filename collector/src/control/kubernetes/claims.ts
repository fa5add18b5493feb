/**
 * Who had which address when. News comes late and the API server's times are cut off to seconds, so that each claim has
 * four bounds: from when a pod may have had an address and from when it had it for sure, until when for sure and until
 * when maybe. Where claims meet, only a sure one counts, and two sure ones are nobody's: wrong is worse than unknown.
 */
import { AddressSlots, type Words } from './addresses.ts';
import { grown } from './chains.ts';

/** Bounds in milliseconds since the epoch; `from` ≤ `sure`, `left` ≤ `to`. */
export interface Bounds {
  readonly from: number;
  readonly sure: number;
  readonly left: number;
  readonly to: number;
}

/** Answers of `owner` that are no owner's number: the address was never anybody's, or at that time not for sure. */
export const NEVER = -1;
export const NOT_SURE = 0;

/** Times of doubt that are told apart. */
const MOST_DOUBTS = 16;

/** Claims of addresses by numbered owners. */
export class Claims {
  readonly #addresses = new AddressSlots();
  #owner = new Uint32Array(1024);
  /** The owner's next claim. */
  #next = new Uint32Array(1024);
  #from = new Float64Array(1024);
  #sure = new Float64Array(1024);
  #left = new Float64Array(1024);
  #to = new Float64Array(1024);
  readonly #doubts: { readonly fromMs: number; readonly toMs: number }[] = [];

  get count(): number {
    return this.#addresses.count;
  }

  /** @param next the owner's claim before this one, or 0 */
  add(words: Words, owner: number, next: number, bounds: Bounds): number {
    const claim = this.#addresses.add(words);
    if (claim >= this.#owner.length) this.#grow(claim);
    this.#owner[claim] = owner;
    this.#next[claim] = next;
    this.#from[claim] = bounds.from;
    this.#sure[claim] = bounds.sure;
    this.#left[claim] = bounds.left;
    this.#to[claim] = bounds.to;
    return claim;
  }

  remove(claim: number): void {
    this.#addresses.remove(claim);
  }

  /** Nobody listened then: others than are known may have had any address that was not its owner's for sure. */
  doubt(fromMs: number, toMs: number): void {
    this.#doubts.push({ fromMs, toMs });
    if (this.#doubts.length <= MOST_DOUBTS) return;
    const [first, second] = this.#doubts.splice(0, 2);
    this.#doubts.unshift({ fromMs: Math.min(first!.fromMs, second!.fromMs), toMs: second!.toMs });
  }

  ownerOf(claim: number): number {
    return this.#owner[claim] as number;
  }

  /** The owner's next claim, or 0. */
  next(claim: number): number {
    return this.#next[claim] as number;
  }

  setNext(claim: number, next: number): void {
    this.#next[claim] = next;
  }

  isOpen(claim: number): boolean {
    return this.#to[claim] === Number.POSITIVE_INFINITY;
  }

  is(claim: number, words: Words): boolean {
    return this.#addresses.is(claim, words);
  }

  read(claim: number, words: Words): void {
    this.#addresses.read(claim, words);
  }

  bounds(claim: number): Bounds {
    return {
      from: this.#from[claim] as number,
      sure: this.#sure[claim] as number,
      left: this.#left[claim] as number,
      to: this.#to[claim] as number,
    };
  }

  setLeft(claim: number, ms: number): void {
    this.#left[claim] = ms;
  }

  close(claim: number, left: number, to: number): void {
    this.#left[claim] = Math.min(left, to);
    this.#to[claim] = to;
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
      if (ms < (this.#from[claim] as number) || ms >= (this.#to[claim] as number)) continue;
      possible += 1;
      possibleOwner = this.#owner[claim] as number;
      if (ms < (this.#sure[claim] as number) || ms >= (this.#left[claim] as number)) continue;
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
    return claim === 0 ? 0 : (this.#owner[claim] as number);
  }

  #isDoubted(ms: number): boolean {
    for (const { fromMs, toMs } of this.#doubts) if (ms >= fromMs && ms < toMs) return true;
    return false;
  }

  #grow(claim: number): void {
    this.#owner = grown(this.#owner, claim);
    this.#next = grown(this.#next, claim);
    this.#from = grown(this.#from, claim);
    this.#sure = grown(this.#sure, claim);
    this.#left = grown(this.#left, claim);
    this.#to = grown(this.#to, claim);
  }
}
