/** Finds the items of a list in its bytes: a list is never held whole, only the item that is being read. */
import { unreadable } from './watch_lines.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
/** Longest key of the list itself that is of interest, and the longest metadata of a list. */
const KEY_BYTES = 16;
const METADATA_BYTES = 65_536;

export interface ItemReceiver {
  /** The JSON of one item; the bytes are the caller's only until it returns. */
  item(bytes: Buffer): void;
  /** An item longer than allowed has ended. @param length its bytes */
  tooLong(length: number): void;
}

/** What a list says of itself. */
export interface ListMetadata {
  readonly resourceVersion?: unknown;
  /** Where its next page begins; not there on the last one. */
  readonly continue?: unknown;
}

/**
 * Follows the JSON of a `…List` byte by byte: strings, depth, and which key of the outermost object it is in. Nothing
 * is decoded but the items and the metadata, each by itself.
 */
export class ListSplitter {
  readonly #receiver: ItemReceiver;
  readonly #mostBytes: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #finished = false;
  /** Inside the array of items. */
  #inItems = false;
  /** The last string of the outermost object: before a value, its key. */
  #key = '';
  /** An item or the metadata that has begun in an earlier chunk. */
  #pieces: Buffer[] = [];
  #length = 0;
  #capturing = false;
  #metadata: ListMetadata | undefined;

  /** @param mostBytes longest item that is told */
  constructor(receiver: ItemReceiver, mostBytes: number) {
    this.#receiver = receiver;
    this.#mostBytes = mostBytes;
  }

  /** @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if this cannot be a list */
  push(chunk: Buffer): void {
    let begin = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        at = this.#endOfString(chunk, at);
        continue;
      }
      switch (byte) {
        case QUOTE:
          this.#inString = true;
          if (this.#depth === 1) this.#key = '';
          else if (this.#depth < 1) throw this.#notList();
          break;
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.#beginsCapture(byte)) begin = at;
          this.#depth += 1;
          break;
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          this.#depth -= 1;
          if (this.#capturing && this.#depth === (this.#inItems ? 2 : 1)) {
            this.#endCapture(chunk.subarray(begin, at + 1));
          } else if (this.#depth <= 1) this.#closes();
          break;
        default:
          // Numbers, commas and words do not matter, but between items only a comma may stand.
          if ((this.#depth === 0 || (this.#inItems && this.#depth === 2 && byte !== COMMA)) && byte > 0x20) {
            throw this.#notList();
          }
      }
    }
    if (this.#capturing) this.#keep(chunk.subarray(begin));
  }

  /**
   * To be called when the bytes have ended.
   * @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if the list is not whole
   */
  finish(): ListMetadata {
    if (!this.#finished) throw unreadable('a list breaks off');
    if (this.#metadata === undefined) throw unreadable('a list has no metadata');
    return this.#metadata;
  }

  /** Goes on inside a string. @returns the place of its closing quote, or of the chunk's last byte */
  #endOfString(chunk: Buffer, from: number): number {
    const isKey = this.#depth === 1;
    let escaped = this.#escaped;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        break;
      }
      if (isKey && this.#key.length < KEY_BYTES) this.#key += String.fromCharCode(byte);
    }
    this.#escaped = escaped;
    return at;
  }

  #beginsCapture(byte: number): boolean {
    if (this.#capturing) return false;
    if (this.#depth === 0) {
      if (byte !== OPEN_BRACE || this.#finished) throw this.#notList();
      return false;
    }
    if (this.#inItems && this.#depth === 2 && byte !== OPEN_BRACE) throw this.#notList();
    const begins = byte === OPEN_BRACE && (this.#inItems || (this.#depth === 1 && this.#key === 'metadata'));
    if (begins) this.#capturing = true;
    else if (this.#depth === 1 && byte === OPEN_BRACKET && this.#key === 'items') this.#inItems = true;
    return begins;
  }

  #closes(): void {
    if (this.#depth < 0) throw this.#notList();
    this.#inItems = false;
    if (this.#depth === 0) this.#finished = true;
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length <= this.#most) this.#pieces.push(piece);
    else this.#pieces = [];
  }

  get #most(): number {
    return this.#inItems ? this.#mostBytes : METADATA_BYTES;
  }

  #endCapture(rest: Buffer): void {
    this.#keep(rest);
    const [pieces, length, most] = [this.#pieces, this.#length, this.#most];
    this.#capturing = false;
    this.#pieces = [];
    this.#length = 0;
    if (length > most) {
      if (!this.#inItems) throw unreadable(`the metadata of a list has more than ${most} bytes`);
      this.#receiver.tooLong(length);
      return;
    }
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    if (this.#inItems) this.#receiver.item(bytes);
    else this.#metadata = parsed(bytes) as ListMetadata;
  }

  #notList(): Error {
    return unreadable('the answer is not the JSON of a list');
  }
}

/** @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if it is not JSON */
export function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw unreadable('a part of a list is not JSON', cause);
  }
}
