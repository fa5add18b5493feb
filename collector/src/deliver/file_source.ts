/** Reads a file in large pieces; what the disk cannot read counts as zeros, which no checksum fits. */
import type { FileHandle } from 'node:fs/promises';
import type { ByteSource } from './block.ts';

const PIECE_BYTES = 512 * 1024;
const PAGE_BYTES = 4096;

/** Bytes of an open file. */
export class FileSource implements ByteSource {
  readonly size: number;
  readonly #handle: FileHandle;
  #buffer = Buffer.alloc(0);
  #begin = 0;
  #end = 0;

  /** @param size of the file; what is missing of it counts as zeros */
  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  async read(at: number, bytes: number): Promise<Buffer> {
    if (at < this.#begin || at + bytes > this.#end) await this.#fill(at, bytes);
    return this.#buffer.subarray(at - this.#begin, at - this.#begin + bytes);
  }

  async #fill(at: number, bytes: number): Promise<void> {
    const length = Math.min(Math.max(bytes, PIECE_BYTES), this.size - at);
    if (this.#buffer.length < length) this.#buffer = Buffer.alloc(length);
    this.#begin = at;
    this.#end = at + length;
    try {
      await this.#get(at, 0, length);
    } catch {
      for (let from = 0; from < length; from += PAGE_BYTES) {
        const most = Math.min(PAGE_BYTES, length - from);
        await this.#get(at + from, from, most).catch(() => this.#buffer.fill(0, from, from + most));
      }
    }
  }

  async #get(at: number, into: number, length: number): Promise<void> {
    const { bytesRead } = await this.#handle.read(this.#buffer, into, length, at);
    this.#buffer.fill(0, into + bytesRead, into + length);
  }
}
