/**
 * What paths are to a route table: the keys of their segments. Paths that differ in their values only share a shape, so
 * that a path that nobody asked for before is found like any other.
 */
import type { Arena } from '../../batch/arena.ts';
import { hashOf } from './text_hash.ts';

/** Bytes of a template, keys behind a slash each: as many as a target has at most, and a few. */
export const LONGEST_TEMPLATE = 1024;

/** Bytes that stand for whole keys in a template; no path has them. */
export const PLACEHOLDER = { number: 1, date: 2, uuid: 3, hash: 4 } as const;
/** What stands for all segments that a route does not tell apart. */
export const DEEPER = 0x2a;

const CODES = new Map(Object.entries(PLACEHOLDER).map(([name, code]) => [`{${name}}`, String.fromCharCode(code)]));
const KEYS = new Map([...CODES].map(([key, code]) => [code, key]));

/** The keys of some paths. */
export interface PathShape {
  /** Its place; another may have it later. */
  readonly id: number;
  readonly keys: readonly string[];
  /** The keys, each behind a slash and placeholders as one byte; and a hash of that. */
  readonly template: Uint8Array;
  readonly hash: number;
}

/** A fixed number of places, two per bucket. */
export class PathShapes {
  readonly #arena: Arena;
  readonly #mask: number;
  readonly #places: (PathShape | undefined)[];
  /** Which place of each bucket was used last. */
  readonly #last: Uint8Array;
  readonly #scratch: number;

  /** @param buckets of two places each; a power of two */
  constructor(arena: Arena, buckets: number) {
    this.#arena = arena;
    this.#mask = buckets - 1;
    this.#places = Array.from({ length: buckets * 2 }, () => undefined);
    this.#last = new Uint8Array(buckets);
    this.#scratch = arena.take(LONGEST_TEMPLATE);
  }

  /** The shape with these keys, as `keysOf` has them. */
  ofKeys(keys: readonly string[]): PathShape {
    const template = keys.map((key) => `/${CODES.get(key) ?? key}`).join('');
    const length = this.#arena.bytes.write(template, this.#scratch, LONGEST_TEMPLATE, 'latin1');
    return this.of(this.#scratch, this.#scratch + length);
  }

  /** The shape whose template is between two offsets of the arena. */
  of(begin: number, end: number): PathShape {
    const hash = hashOf(this.#arena, begin, end, end - begin);
    const bucket = hash & this.#mask;
    const last = bucket * 2 + (this.#last[bucket] as number);
    const usual = this.#places[last];
    if (usual !== undefined && usual.hash === hash && this.#has(usual, begin, end)) return usual;
    this.#last[bucket]! ^= 1;
    const other = this.#places[last ^ 1];
    if (other !== undefined && other.hash === hash && this.#has(other, begin, end)) return other;
    const words = this.#arena.bytes.toString('latin1', begin + 1, end).split('/');
    const keys = words.map((word) => KEYS.get(word) ?? word);
    const made = { id: last ^ 1, keys, template: Uint8Array.from(this.#arena.bytes.subarray(begin, end)), hash };
    this.#places[last ^ 1] = made;
    return made;
  }

  #has({ template }: PathShape, begin: number, end: number): boolean {
    const { bytes } = this.#arena;
    const { length } = template;
    if (length !== end - begin) return false;
    for (let at = 0; at < length; at += 1) if (bytes[begin + at] !== template[at]) return false;
    return true;
  }
}
