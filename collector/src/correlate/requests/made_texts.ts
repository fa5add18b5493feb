/**
 * What was made of short texts that come again and again, methods and hosts, remembered by their bytes in the arena: to
 * find one makes no object, and what was made is copied into the row from where it lies.
 */
import type { Arena } from '../../batch/arena.ts';
import { rowText } from '../../deliver/text.ts';
import { copyInto, hashOf, isSame } from './text_hash.ts';

/** What comparing and copying word by word may reach beyond an end, and the length of what was made. */
const SLACK = 8;
/** Place of a text that is not remembered. */
export const NOT_MADE = -1;

/** A fixed number of places, two per bucket. */
export class MadeTexts {
  readonly #arena: Arena;
  readonly #make: (text: string) => string;
  readonly #longest: number;
  readonly #stride: number;
  readonly #mask: number;
  readonly #begin: number;
  readonly #hashes: Int32Array;
  readonly #lengths: Int16Array;
  readonly #madeLengths: Int16Array;
  /** Which place of each bucket was used last. */
  readonly #last: Uint8Array;

  /**
   * @param buckets of two places; a power of two
   * @param longest bytes of a text that is remembered, and of what is made of it
   * @param make given the bytes as Latin-1; what it makes is printable ASCII
   */
  constructor(arena: Arena, buckets: number, longest: number, make: (text: string) => string) {
    this.#arena = arena;
    this.#make = make;
    this.#longest = longest;
    this.#stride = longest + SLACK;
    this.#mask = buckets - 1;
    this.#begin = arena.take(buckets * 4 * this.#stride);
    this.#hashes = new Int32Array(buckets * 2);
    this.#lengths = new Int16Array(buckets * 2).fill(-1);
    this.#madeLengths = new Int16Array(buckets * 2);
    this.#last = new Uint8Array(buckets);
  }

  /** Place of what is made of the bytes between two offsets of the arena; NOT_MADE if they are too long. */
  of(begin: number, end: number): number {
    const length = end - begin;
    if (length > this.#longest) return NOT_MADE;
    const hash = hashOf(this.#arena, begin, end, length);
    const bucket = hash & this.#mask;
    const last = bucket * 2 + (this.#last[bucket] as number);
    if (this.#is(last, hash, begin, length)) return last;
    this.#last[bucket]! ^= 1;
    const other = last ^ 1;
    return this.#is(other, hash, begin, length) || this.#put(other, hash, begin, length) ? other : NOT_MADE;
  }

  /** Writes what was made as RowBinary's String; returns where the row goes on. */
  write(place: number, row: number): number {
    return copyInto(this.#arena, row, this.#at(place) + this.#stride, this.#madeLengths[place] as number);
  }

  #at(place: number): number {
    return this.#begin + place * 2 * this.#stride;
  }

  #is(place: number, hash: number, begin: number, length: number): boolean {
    if (this.#hashes[place] !== hash || this.#lengths[place] !== length) return false;
    return isSame(this.#arena, this.#at(place), begin, length);
  }

  /** @returns whether there was room for what was made of it */
  #put(place: number, hash: number, begin: number, length: number): boolean {
    const { bytes } = this.#arena;
    const made = rowText(this.#make(bytes.toString('latin1', begin, begin + length)));
    if (made.length > this.#stride) return false;
    const at = this.#at(place);
    bytes.copyWithin(at, begin, begin + length);
    bytes.set(made, at + this.#stride);
    this.#hashes[place] = hash;
    this.#lengths[place] = length;
    this.#madeLengths[place] = made.length;
    return true;
  }
}
