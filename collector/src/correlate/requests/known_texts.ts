/**
 * What was made of the texts of requests, remembered by their bytes: requests for the same thing come again and again,
 * and most come twice, once from each end. A fixed number of places, two per bucket, reused without new objects.
 */
import type { Arena } from '../../batch/arena.ts';
import type { Route, RouteTable } from './routes.ts';

/** One text, ready for rows. */
export class KnownText {
  #raw = Buffer.allocUnsafe(128);
  /** Bytes of the method, and of method and target. */
  #methodLength = 0;
  #targetLength = 0;
  #rawLength = -1;
  #truncated = false;
  /** The columns made of it, as RowBinary, back to back. */
  bytes = Buffer.allocUnsafe(192);
  /** Where `http_host`, `http_path` and `http_query` begin in `bytes`, behind `operation`; and where they end. */
  restAt = 0;
  end = 0;
  /** Segments of the path as it is kept. */
  segments: readonly string[] = [];
  /** The route last found, for whom, in which table and in which state of it. */
  destination = 0;
  table: RouteTable | undefined;
  version = 0;
  route: Route | undefined;
  resource: Buffer;

  constructor(resource: Buffer) {
    this.resource = resource;
  }

  /** Whether it was made of these bytes of the arena: method, target and host back to back. */
  is(arena: Arena, begin: number, target: number, host: number, end: number, truncated: boolean): boolean {
    if (this.#rawLength !== end - begin || this.#truncated !== truncated) return false;
    if (this.#methodLength !== target - begin || this.#targetLength !== host - begin) return false;
    const { bytes } = arena;
    for (let index = 0; index < this.#rawLength; index += 1) {
      if (this.#raw[index] !== bytes[begin + index]) return false;
    }
    return true;
  }

  /** Begins anew, made of these bytes. */
  reset(
    arena: Arena,
    [begin, target, host, end]: readonly [number, number, number, number],
    truncated: boolean,
    resource: Buffer,
  ): void {
    this.#rawLength = end - begin;
    this.#methodLength = target - begin;
    this.#targetLength = host - begin;
    if (this.#raw.length < this.#rawLength) this.#raw = Buffer.allocUnsafe(this.#rawLength);
    arena.bytes.copy(this.#raw, 0, begin, end);
    this.#truncated = truncated;
    this.restAt = 0;
    this.end = 0;
    this.table = undefined;
    this.route = undefined;
    this.resource = resource;
  }

  /** Adds one text of printable ASCII as RowBinary's String. */
  add(text: string): void {
    const need = this.end + text.length + 3;
    if (this.bytes.length < need) {
      const larger = Buffer.allocUnsafe(need * 2);
      this.bytes.copy(larger, 0, 0, this.end);
      this.bytes = larger;
    }
    let rest = text.length;
    for (; rest > 0x7f; rest >>>= 7) {
      this.bytes[this.end] = (rest & 0x7f) | 0x80;
      this.end += 1;
    }
    this.bytes[this.end] = rest;
    this.end += 1 + this.bytes.write(text, this.end + 1, 'latin1');
  }
}

/** The places. */
export class KnownTexts {
  readonly #mask: number;
  readonly #places: KnownText[];
  /** Which place of each bucket was used last. */
  readonly #last: Uint8Array;

  /** @param buckets of two places each; a power of two */
  constructor(buckets: number, resource: Buffer) {
    this.#mask = buckets - 1;
    this.#places = Array.from({ length: buckets * 2 }, () => new KnownText(resource));
    this.#last = new Uint8Array(buckets);
  }

  /** The text made of these bytes, or undefined. */
  find(
    hash: number,
    arena: Arena,
    begin: number,
    target: number,
    host: number,
    end: number,
    truncated: boolean,
  ): KnownText | undefined {
    const bucket = hash & this.#mask;
    for (let way = 0; way < 2; way += 1) {
      const text = this.#places[bucket * 2 + way] as KnownText;
      if (!text.is(arena, begin, target, host, end, truncated)) continue;
      this.#last[bucket] = way;
      return text;
    }
    return undefined;
  }

  /** The place for a new text: the one of its bucket that was not used last. */
  place(hash: number): KnownText {
    const bucket = hash & this.#mask;
    const way = 1 - (this.#last[bucket] as number);
    this.#last[bucket] = way;
    return this.#places[bucket * 2 + way] as KnownText;
  }
}
