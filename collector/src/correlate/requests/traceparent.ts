/** The traceparent header, judged by W3C Trace Context byte by byte: what is not valid is as if it had not been sent. */
import type { Arena } from '../../batch/arena.ts';

/** `00-<32 hex>-<16 hex>-<2 hex>` */
const LENGTH = 55;
const DASH = 0x2d;
const SPACE = 0x20;
const TAB = 0x09;

/** Value of a lower-case hex digit; -1 for any other byte. */
function nibble(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
}

/** Reads one header at a time; what it read stands in its fields until the next. */
export class Traceparent {
  readonly #arena: Arena;
  /** Whether the header was valid. */
  valid = false;
  /** The flags byte, 0 if not valid. */
  flags = 0;
  /** Offset in the arena of 16 bytes of trace id and 8 bytes of parent span id; zeros if not valid. */
  readonly ids: number;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.ids = arena.take(24);
  }

  /** Reads the header between two offsets of the arena, spaces around it aside. */
  read(begin: number, end: number): void {
    const { bytes } = this.#arena;
    this.valid = this.#judge(begin, end);
    if (this.valid) return;
    this.flags = 0;
    bytes.fill(0, this.ids, this.ids + 24);
  }

  #judge(begin: number, end: number): boolean {
    const { bytes } = this.#arena;
    let from = begin;
    let to = end;
    while (from < to && (bytes[from] === SPACE || bytes[from] === TAB)) from += 1;
    while (from < to && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to -= 1;
    if (to - from < LENGTH) return false;
    const version = this.#byte(from);
    if (version < 0 || version === 0xff) return false;
    if (to - from > LENGTH && (version === 0 || bytes[from + LENGTH] !== DASH)) return false;
    if (bytes[from + 2] !== DASH || bytes[from + 35] !== DASH || bytes[from + 52] !== DASH) return false;
    this.flags = this.#byte(from + 53);
    if (this.flags < 0) return false;
    return this.#id(from + 3, this.ids, 16) && this.#id(from + 36, this.ids + 16, 8);
  }

  /** Value of two hex digits; negative if they are none. */
  #byte(at: number): number {
    const { bytes } = this.#arena;
    const high = nibble(bytes[at] as number);
    const low = nibble(bytes[at + 1] as number);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }

  /** Turns hex digits into bytes; false if they are none, or all zero. */
  #id(from: number, to: number, length: number): boolean {
    const { bytes } = this.#arena;
    let any = 0;
    for (let index = 0; index < length; index += 1) {
      const value = this.#byte(from + 2 * index);
      if (value < 0) return false;
      any |= value;
      bytes[to + index] = value;
    }
    return any !== 0;
  }
}
