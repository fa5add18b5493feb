/**
 * What was made of the texts of requests that are not plain, remembered by their bytes: requests for the same thing come
 * again and again, and most come twice, once from each end. A fixed number of places, two per bucket, made when first
 * needed and reused without new objects.
 */
import type { Arena } from '../../batch/arena.ts';
import { rowText } from '../../deliver/text.ts';
import type { PathShape } from './path_shapes.ts';

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length);
/** What copying and comparing word by word may reach beyond the end of a text. */
const SLACK = 4;

const NOTHING = rowText('');

/** One text, ready for rows. */
export class KnownText {
  #raw = viewOf(Buffer.alloc(128));
  #hash = 0;
  /** Bytes of the method, and of method and target. */
  #methodLength = 0;
  #targetLength = 0;
  #rawLength = -1;
  #truncated = false;
  /** The columns made of it, as RowBinary, back to back. */
  #bytes = Buffer.alloc(192);
  #view = viewOf(this.#bytes);
  /** Where `http_host`, `http_path` and `http_query` begin in it, behind `operation`; and where they end. */
  restAt = 0;
  end = 0;
  /** What the path is to a route table; undefined where there is no path. */
  shape: PathShape | undefined;
  /** The column `resource` where there is no path. */
  resource: Uint8Array = NOTHING;

  /** Whether it was made of these bytes of the arena: method, target and host back to back. */
  is(hash: number, view: DataView, begin: number, target: number, host: number, end: number, cut: boolean): boolean {
    if (this.#hash !== hash || this.#rawLength !== end - begin || this.#truncated !== cut) return false;
    if (this.#methodLength !== target - begin || this.#targetLength !== host - begin) return false;
    const raw = this.#raw;
    const words = this.#rawLength & ~3;
    for (let at = 0; at < words; at += 4) {
      if (raw.getInt32(at, true) !== view.getInt32(begin + at, true)) return false;
    }
    for (let at = words; at < this.#rawLength; at += 1) {
      if (raw.getUint8(at) !== view.getUint8(begin + at)) return false;
    }
    return true;
  }

  /** Begins anew, made of these bytes. */
  reset(
    hash: number,
    { bytes }: Arena,
    [begin, target, host, end]: readonly [number, number, number, number],
    truncated: boolean,
  ): void {
    this.#hash = hash;
    this.#rawLength = end - begin;
    this.#methodLength = target - begin;
    this.#targetLength = host - begin;
    if (this.#raw.byteLength < this.#rawLength) this.#raw = viewOf(Buffer.alloc(this.#rawLength));
    for (let at = 0; at < this.#rawLength; at += 1) this.#raw.setUint8(at, bytes[begin + at] as number);
    this.#truncated = truncated;
    this.restAt = 0;
    this.end = 0;
  }

  /**
   * Copies a part of what was made of it into a row, and up to three bytes more, which the next column overwrites.
   * @returns where the row goes on
   */
  copy({ view }: Arena, row: number, from: number, end: number): number {
    const own = this.#view;
    for (let at = from; at < end; at += 4) view.setInt32(row + at - from, own.getInt32(at, true), true);
    return row + end - from;
  }

  /** Adds one text of printable ASCII as RowBinary's String. */
  add(text: string): void {
    const need = this.end + text.length + 3 + SLACK;
    if (this.#bytes.length < need) {
      const larger = Buffer.alloc(need * 2);
      this.#bytes.copy(larger, 0, 0, this.end);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    let rest = text.length;
    for (; rest > 0x7f; rest >>>= 7) {
      this.#bytes[this.end] = (rest & 0x7f) | 0x80;
      this.end += 1;
    }
    this.#bytes[this.end] = rest;
    this.end += 1 + this.#bytes.write(text, this.end + 1, 'latin1');
  }
}

/** The places. */
export class KnownTexts {
  readonly #mask: number;
  readonly #places: (KnownText | undefined)[];
  /** Which place of each bucket was used last. */
  readonly #last: Uint8Array;

  /** @param buckets of two places each; a power of two */
  constructor(buckets: number) {
    this.#mask = buckets - 1;
    this.#places = Array.from({ length: buckets * 2 }, () => undefined);
    this.#last = new Uint8Array(buckets);
  }

  /** The text made of these bytes, or undefined. */
  find(
    hash: number,
    view: DataView,
    begin: number,
    target: number,
    host: number,
    end: number,
    truncated: boolean,
  ): KnownText | undefined {
    const bucket = hash & this.#mask;
    for (let way = 0; way < 2; way += 1) {
      const text = this.#places[bucket * 2 + way];
      if (!text?.is(hash, view, begin, target, host, end, truncated)) continue;
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
    const text = this.#places[bucket * 2 + way] ?? new KnownText();
    this.#places[bucket * 2 + way] = text;
    return text;
  }
}
