/** Slots by address, IPv4 as v4-mapped: four numbers of 32 bits each. Several slots may have the same address. */
import ipaddr from 'ipaddr.js';
import { Chains, Slots } from './chains.ts';
import { Column } from './columns.ts';

/** An address as four numbers, first bytes first. Reused from call to call. */
export type Words = Uint32Array;

const MAPPED = 0xffff;
const LONGEST_IPV4 = 15;
const DOT = 0x2e;
const ZERO = 0x30;

/** Reads the 16 bytes of an address. */
export function wordsOfBytes(bytes: Uint8Array, words: Words): void {
  for (let index = 0; index < 4; index += 1) {
    const at = index * 4;
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    words[index] = (high << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  }
}

/** Writes the 16 bytes of an address at a place. */
export function addressOfWords(words: Words, bytes: Buffer, at: number): void {
  for (let index = 0; index < 4; index += 1) bytes.writeUInt32BE(words[index] as number, at + index * 4);
}

/** The four bytes of an IPv4 address as a number; undefined if the text is none. */
function wordOfIpv4(text: string): number | undefined {
  if (text.length > LONGEST_IPV4) return undefined;
  let word = 0;
  let byte: number | undefined;
  let dots = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT && byte !== undefined) {
      word = word * 256 + byte;
      byte = undefined;
      dots += 1;
    } else if (code >= ZERO && code <= ZERO + 9) byte = (byte ?? 0) * 10 + code - ZERO;
    else return undefined;
    if (byte !== undefined && byte > 255) return undefined;
  }
  return dots === 3 && byte !== undefined ? word * 256 + byte : undefined;
}

/** Reads the text of an address. @returns false if it is none */
export function wordsOfText(text: string, words: Words): boolean {
  const four = wordOfIpv4(text);
  if (four !== undefined) {
    words[0] = 0;
    words[1] = 0;
    words[2] = MAPPED;
    words[3] = four;
    return true;
  }
  if (!ipaddr.IPv6.isValid(text)) return false;
  wordsOfBytes(Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray()), words);
  return true;
}

/** The slots; who keeps more of each does so in arrays of his own by the same numbers. */
export class AddressSlots {
  readonly #slots = new Slots();
  readonly #chains = new Chains((slot) => this.#hashOf(slot));
  readonly #low = new Column(Uint32Array);
  /** The other three words of each, as they differ from those of IPv4: where all have none, they take no room. */
  readonly #high = new Column(Uint32Array);
  readonly #read: Words = new Uint32Array(4);

  get count(): number {
    return this.#slots.count;
  }

  /** The highest number given out so far. */
  get last(): number {
    return this.#slots.last;
  }

  add(words: Words): number {
    const slot = this.#slots.take();
    this.#low.set(slot, words[3] as number);
    const at = slot * 3;
    this.#high.set(at, words[0] as number);
    this.#high.set(at + 1, words[1] as number);
    this.#high.set(at + 2, ((words[2] as number) ^ MAPPED) >>> 0);
    this.#chains.add(slot, hashOf(words));
    return slot;
  }

  remove(slot: number): void {
    this.#chains.remove(slot, this.#hashOf(slot));
    this.#slots.giveBack(slot);
  }

  /** The first slot with an address, or 0. */
  first(words: Words): number {
    return this.#from(this.#chains.first(hashOf(words)), words);
  }

  /** The next slot with the same address, or 0. */
  after(slot: number, words: Words): number {
    return this.#from(this.#chains.after(slot), words);
  }

  /** Whether a slot has this address. */
  is(slot: number, words: Words): boolean {
    if (this.#low.get(slot) !== words[3]) return false;
    const at = slot * 3;
    const high = this.#high;
    return (high.get(at + 2) ^ MAPPED) >>> 0 === words[2] && high.get(at + 1) === words[1] && high.get(at) === words[0];
  }

  /** Writes a slot's address to `words`. */
  read(slot: number, words: Words): void {
    const at = slot * 3;
    words[0] = this.#high.get(at);
    words[1] = this.#high.get(at + 1);
    words[2] = this.#high.get(at + 2) ^ MAPPED;
    words[3] = this.#low.get(slot);
  }

  #from(first: number, words: Words): number {
    let slot = first;
    while (slot !== 0 && !this.is(slot, words)) slot = this.#chains.after(slot);
    return slot;
  }

  #hashOf(slot: number): number {
    this.read(slot, this.#read);
    return hashOf(this.#read);
  }
}

function hashOf(words: Words): number {
  return hash(words[0] as number, words[1] as number, words[2] as number, words[3] as number);
}

function hash(a: number, b: number, c: number, d: number): number {
  let mixed = a ^ Math.imul(b ^ (c << 7), 0x9e3779b1);
  mixed = Math.imul(mixed ^ d, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) ^ (mixed >>> 13);
}
