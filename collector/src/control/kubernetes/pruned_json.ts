/**
 * Takes out of the bytes of JSON what nobody reads, before they are parsed: most of a pod is written for others, and
 * what is never made need not be collected.
 */
import { unreadable } from './watch_lines.ts';

/**
 * What of a JSON value is kept: all of it, or of its objects these members. Arrays are gone through, any other value is
 * kept as it is. A name that ends in `*` stands for all that begin so.
 */
export type Kept = true | { readonly [name: string]: Kept };

interface Member {
  readonly name: Uint8Array;
  /** Undefined: all of its value. */
  readonly members: Members | undefined;
}
/** By length of the name; those that stand for several are under 0. */
type Members = readonly (readonly Member[] | undefined)[];

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** Brackets and braces differ in this bit only. */
const BRACKET_BIT = 0x20;
/** Up to this it is cheaper to move bytes one by one. */
const FEW_BYTES = 48;

/** Both ways of saying the same together. */
export function keptTogether(one: Kept, other: Kept): Kept {
  if (one === true || other === true) return true;
  const all: Record<string, Kept> = { ...one };
  for (const [name, kept] of Object.entries(other)) {
    const known = one[name];
    all[name] = known === undefined ? kept : keptTogether(known, kept);
  }
  return all;
}

function compile(kept: Kept): Members | undefined {
  if (kept === true) return undefined;
  const members: Member[][] = [];
  for (const [name, value] of Object.entries(kept)) {
    const isPrefix = name.endsWith('*');
    const bytes = Buffer.from(isPrefix ? name.slice(0, -1) : name);
    const length = isPrefix ? 0 : bytes.length;
    members[length] = [...(members[length] ?? []), { name: bytes, members: compile(value) }];
  }
  return members;
}

/**
 * Prunes one value after the other, each in its own bytes. What is kept is not judged, nor what is left out: that is
 * the parser's. Names that are written with an escape are kept with all they have.
 */
export class JsonPruner {
  readonly #members: Members | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Next byte to be read; never before that to be written. */
  #at = 0;
  #written = 0;

  constructor(kept: Kept) {
    this.#members = compile(kept);
  }

  /**
   * @param bytes one value, which is written over
   * @returns a part of `bytes` that holds what is kept
   * @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if it breaks off or cannot be followed
   */
  prune(bytes: Buffer): Buffer {
    this.#bytes = bytes;
    this.#at = 0;
    this.#written = 0;
    this.#value(this.#members);
    this.#space();
    if (this.#at < bytes.length) throw this.#notJson();
    return bytes.subarray(0, this.#written);
  }

  /** Goes over a value and keeps what of it is wanted. */
  #value(members: Members | undefined): void {
    const byte = this.#space();
    if (members !== undefined && byte === OPEN_BRACE) this.#object(members);
    else if (members !== undefined && byte === OPEN_BRACKET) this.#array(members);
    else this.#copy(this.#at, this.#skip());
  }

  #object(members: Members): void {
    this.#write(OPEN_BRACE);
    this.#at += 1;
    let isFirst = true;
    while (this.#space() !== CLOSE_BRACE) {
      const begin = this.#at;
      const member = this.#member(members);
      const colon = this.#at;
      if (this.#space() !== COLON) throw this.#notJson();
      this.#at += 1;
      if (member === undefined) {
        this.#space();
        this.#skip();
      } else {
        if (!isFirst) this.#write(COMMA);
        isFirst = false;
        this.#copy(begin, colon);
        this.#write(COLON);
        this.#value(member.members);
      }
      this.#next(CLOSE_BRACE);
    }
    this.#at += 1;
    this.#write(CLOSE_BRACE);
  }

  #array(members: Members): void {
    this.#write(OPEN_BRACKET);
    this.#at += 1;
    let isFirst = true;
    while (this.#space() !== CLOSE_BRACKET) {
      if (!isFirst) this.#write(COMMA);
      isFirst = false;
      // Arrays of arrays are nothing that is read here, and may be as deep as they like.
      this.#value(this.#bytes[this.#at] === OPEN_BRACE ? members : undefined);
      this.#next(CLOSE_BRACKET);
    }
    this.#at += 1;
    this.#write(CLOSE_BRACKET);
  }

  /** After a member or an element: to the next one, or to the end of what they are in. */
  #next(close: number): void {
    const byte = this.#space();
    if (byte === close) return;
    if (byte !== COMMA) throw this.#notJson();
    this.#at += 1;
    // A comma before the end is no JSON, and would be taken away here.
    if (this.#space() === close) throw this.#notJson();
  }

  /** Reads a name. @returns what is wanted of its value; undefined: nothing */
  #member(members: Members): Member | undefined {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== QUOTE) throw this.#notJson();
    const begin = this.#at + 1;
    let end = begin;
    while (end < bytes.length && bytes[end] !== QUOTE && bytes[end] !== BACKSLASH) end += 1;
    if (bytes[end] === BACKSLASH) {
      this.#at = endOfString(bytes, end);
      return WHOLE;
    }
    this.#at = end + 1;
    return find(members[end - begin], bytes, begin) ?? find(members[0], bytes, begin);
  }

  /** Goes over a value without a look at what is in it. @returns its end */
  #skip(): number {
    this.#at = endOfValue(this.#bytes, this.#at);
    return this.#at;
  }

  /** Goes over white space. @returns the byte after it */
  #space(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < bytes.length && isSpace(bytes[at] as number)) at += 1;
    this.#at = at;
    return at < bytes.length ? (bytes[at] as number) : 0;
  }

  #write(byte: number): void {
    this.#bytes[this.#written] = byte;
    this.#written += 1;
  }

  #copy(from: number, to: number): void {
    const bytes = this.#bytes;
    let written = this.#written;
    if (to - from > FEW_BYTES) bytes.copyWithin(written, from, to);
    else for (let at = from; at < to; at += 1, written += 1) bytes[written] = bytes[at] as number;
    this.#written += to - from;
  }

  #notJson(): Error {
    return unreadable('an object is not JSON');
  }
}

const WHOLE: Member = { name: new Uint8Array(0), members: undefined };

/** The one whose name stands at a place; none goes beyond the quote at its end. */
function find(members: readonly Member[] | undefined, bytes: Uint8Array, at: number): Member | undefined {
  if (members === undefined) return undefined;
  for (const member of members) {
    const { name } = member;
    let same = 0;
    while (same < name.length && bytes[at + same] === name[same]) same += 1;
    if (same === name.length) return member;
  }
  return undefined;
}

function isSpace(byte: number): boolean {
  return byte <= SPACE && (byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB);
}

/** @param at after the opening quote @returns after the closing one */
function endOfString(bytes: Uint8Array, at: number): number {
  for (let here = at; here < bytes.length; here += 1) {
    const byte = bytes[here];
    if (byte === QUOTE) return here + 1;
    if (byte === BACKSLASH) here += 1;
  }
  throw unreadable('a string breaks off');
}

/** @param at first byte of a value @returns after its last */
function endOfValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return endOfString(bytes, at + 1);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return endOfWord(bytes, at);
  let depth = 0;
  for (let here = at; here < bytes.length; here += 1) {
    const byte = bytes[here] as number;
    if (byte === QUOTE) here = endOfString(bytes, here + 1) - 1;
    else if ((byte | BRACKET_BIT) === OPEN_BRACE) depth += 1;
    else if ((byte | BRACKET_BIT) === CLOSE_BRACE) {
      depth -= 1;
      if (depth === 0) return here + 1;
    }
  }
  throw unreadable('an object breaks off');
}

/** A number, true, false or null. */
function endOfWord(bytes: Uint8Array, at: number): number {
  let here = at;
  while (here < bytes.length) {
    const byte = bytes[here] as number;
    if (isSpace(byte) || byte === COMMA || byte === COLON || (byte | BRACKET_BIT) === CLOSE_BRACE) break;
    here += 1;
  }
  if (here === at) throw unreadable('a value is missing');
  return here;
}
