/**
 * Most targets are a path of letters, digits, dashes and underscores. Of those the route's keys can be told byte by byte,
 * and nothing in them has to be taken out: no string is made, also where nobody asked for the path before. What this file
 * is not sure of it leaves to redaction.ts and route_shapes.ts, whose rules it follows; a test compares the two.
 */
import type { Arena } from '../../batch/arena.ts';
import { LONGEST_TEMPLATE } from './path_shapes.ts';
import { DEEPEST } from './routes.ts';

const [SLASH, DASH, ZERO, NINE] = [0x2f, 0x2d, 0x30, 0x39];

/** What a byte of a plain segment is, a bit each; 0 for bytes that are in none. */
const [DIGIT, HEX_LETTER, OTHER_LETTER, UPPER, JOINER] = [1, 2, 4, 8, 16] as const;

const LOOKS = new Uint8Array(256);
for (const char of '0123456789') LOOKS[char.charCodeAt(0)] = DIGIT;
for (const char of 'abcdefghijklmnopqrstuvwxyz') {
  const looks = char <= 'f' ? HEX_LETTER : OTHER_LETTER;
  LOOKS[char.charCodeAt(0)] = looks;
  LOOKS[char.toUpperCase().charCodeAt(0)] = looks | UPPER;
}
for (const char of '-_') LOOKS[char.charCodeAt(0)] = JOINER;

/** Shortest segment that may be a secret. */
const MAYBE_SECRET = 32;
/** Shortest hex number, and shortest mixture of letters and digits, that is a hash. */
const [HASH_HEX, HASH_MIXED, HASH_EACH] = [7, 16, 3];
const UUID_LENGTH = 36;
const DATE_LENGTH = 8;
/** No key can be told. */
const UNSURE = -1;

const placeholder = (text: string) => Uint8Array.from(Buffer.from(text));
const [NUMBER, DATE, UUID, HASH] = ['{number}', '{date}', '{uuid}', '{hash}'].map(placeholder) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const DEEPER = placeholder('/*');

/** Reads one target at a time. */
export class PlainTarget {
  readonly #bytes: Buffer;
  /** The template of the target read last, as `PathShapes` has it: between these offsets of the arena. */
  readonly template: number;
  templateEnd: number;

  constructor(arena: Arena) {
    this.#bytes = arena.bytes;
    this.template = arena.take(LONGEST_TEMPLATE);
    this.templateEnd = this.template;
  }

  /** Whether the bytes between two offsets of the arena are a plain path; only then there is a template. */
  read(begin: number, end: number): boolean {
    const bytes = this.#bytes;
    if (begin === end || bytes[begin] !== SLASH) return false;
    let to = this.template;
    let at = begin;
    for (let depth = 1; at < end; depth += 1) {
      at += 1;
      const from = at;
      let looks = 0;
      let digits = 0;
      for (; at < end; at += 1) {
        const byte = bytes[at] as number;
        const look = LOOKS[byte] as number;
        if (look === 0) {
          if (byte === SLASH) break;
          return false;
        }
        looks |= look;
        digits += look & DIGIT;
      }
      if (depth <= DEEPEST) to = this.#key(to, from, at, looks, digits);
      else if (at - from >= MAYBE_SECRET && !this.#isUuid(from, at)) return false;
      else if (depth === DEEPEST + 1) to = this.#add(to, DEEPER);
      if (to === UNSURE) return false;
    }
    this.templateEnd = to;
    return true;
  }

  /**
   * Adds the key of a segment to the template, behind a slash.
   * @param looks all bits of its bytes
   * @param digits how many of them are digits
   * @returns where the template goes on, or UNSURE
   */
  #key(to: number, from: number, end: number, looks: number, digits: number): number {
    const bytes = this.#bytes;
    const length = end - from;
    bytes[to] = SLASH;
    if (length >= MAYBE_SECRET) return this.#isUuid(from, end) ? this.#add(to + 1, UUID) : UNSURE;
    if (digits === 0) {
      // The word REDACTED stands for a secret.
      return (looks & UPPER) !== 0 && length === DATE_LENGTH ? UNSURE : this.#word(to + 1, from, end);
    }
    if (digits === length) return this.#add(to + 1, this.#isDate(from, length) ? DATE : NUMBER);
    const first = bytes[from] as number;
    if ((looks & JOINER) !== 0) {
      // It may be a date or a number with a sign.
      return first === DASH || (first >= ZERO && first <= NINE) ? UNSURE : this.#word(to + 1, from, end);
    }
    // It may be a hex number with its sign, 0x.
    if (first === ZERO && ((bytes[from + 1] as number) | 0x20) === 0x78) return UNSURE;
    const isHex = (looks & OTHER_LETTER) === 0 && length >= HASH_HEX;
    const isMixed = length >= HASH_MIXED && digits >= HASH_EACH && length - digits >= HASH_EACH;
    return isHex || isMixed ? this.#add(to + 1, HASH) : this.#word(to + 1, from, end);
  }

  #add(to: number, text: Uint8Array): number {
    const bytes = this.#bytes;
    const { length } = text;
    for (let at = 0; at < length; at += 1) bytes[to + at] = text[at] as number;
    return to + length;
  }

  #word(to: number, from: number, end: number): number {
    const bytes = this.#bytes;
    for (let at = from; at < end; at += 1) bytes[to + at - from] = bytes[at] as number;
    return to + end - from;
  }

  /** Whether digits are a date, YYYYMMDD, of this century or the last. */
  #isDate(from: number, length: number): boolean {
    if (length !== DATE_LENGTH) return false;
    const century = this.#two(from);
    const month = this.#two(from + 4);
    const day = this.#two(from + 6);
    return (century === 19 || century === 20) && month >= 1 && month <= 12 && day >= 1 && day <= 31;
  }

  #two(at: number): number {
    const bytes = this.#bytes;
    return ((bytes[at] as number) - ZERO) * 10 + (bytes[at + 1] as number) - ZERO;
  }

  #isUuid(from: number, end: number): boolean {
    if (end - from !== UUID_LENGTH) return false;
    const bytes = this.#bytes;
    for (let at = 0; at < UUID_LENGTH; at += 1) {
      const byte = bytes[from + at] as number;
      const isDash = at === 8 || at === 13 || at === 18 || at === 23;
      if (isDash ? byte !== DASH : ((LOOKS[byte] as number) & (DIGIT | HEX_LETTER)) === 0) return false;
    }
    return true;
  }
}
