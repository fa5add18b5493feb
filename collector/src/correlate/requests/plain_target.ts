/**
 * Most targets are a path of letters, digits, dashes and underscores. Of those the route's keys can be told byte by byte,
 * and nothing in them has to be taken out: no string is made, also where nobody asked for the path before. What this file
 * is not sure of it leaves to redaction.ts and route_shapes.ts, whose rules it follows; a test compares the two.
 */
import type { Arena } from '../../batch/arena.ts';
import { DEEPER, LONGEST_TEMPLATE, PLACEHOLDER } from './path_shapes.ts';
import { REDACTED } from './redaction.ts';
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
/** No key can be told; and the segment is its own key. */
const [UNSURE, WORD] = [-1, 0] as const;

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
      bytes[to] = SLASH;
      const keyAt = to + 1;
      to = keyAt;
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
        bytes[to] = byte;
        to += 1;
      }
      if (depth > DEEPEST) {
        if (at - from >= MAYBE_SECRET && !this.#isUuid(from, at)) return false;
        bytes[keyAt] = DEEPER;
        to = depth === DEEPEST + 1 ? keyAt + 1 : keyAt - 1;
      } else if (digits !== 0 || (looks & UPPER) !== 0 || at - from >= MAYBE_SECRET) {
        const key = this.#key(from, at, looks, digits);
        if (key === UNSURE) return false;
        if (key !== WORD) {
          bytes[keyAt] = key;
          to = keyAt + 1;
        }
      }
    }
    this.templateEnd = to;
    return true;
  }

  /**
   * What stands for a segment in the template: a placeholder, WORD, or UNSURE.
   * @param looks all bits of its bytes
   * @param digits how many of them are digits
   */
  #key(from: number, end: number, looks: number, digits: number): number {
    const bytes = this.#bytes;
    const length = end - from;
    if (length >= MAYBE_SECRET) return this.#isUuid(from, end) ? PLACEHOLDER.uuid : UNSURE;
    // The word REDACTED stands for a secret.
    if (digits === 0) return (looks & UPPER) !== 0 && length === REDACTED.length ? UNSURE : WORD;
    if (digits === length) return this.#isDate(from, length) ? PLACEHOLDER.date : PLACEHOLDER.number;
    const first = bytes[from] as number;
    // It may be a date or a number with a sign.
    if ((looks & JOINER) !== 0) return first === DASH || (first >= ZERO && first <= NINE) ? UNSURE : WORD;
    // It may be a hex number with its sign, 0x.
    if (first === ZERO && ((bytes[from + 1] as number) | 0x20) === 0x78) return UNSURE;
    const isHex = (looks & OTHER_LETTER) === 0 && length >= HASH_HEX;
    const isMixed = length >= HASH_MIXED && digits >= HASH_EACH && length - digits >= HASH_EACH;
    return isHex || isMixed ? PLACEHOLDER.hash : WORD;
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
