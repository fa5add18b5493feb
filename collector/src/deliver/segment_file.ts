/** A segment while it grows: a file called `<name>.open`, renamed when it is whole. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Segment } from './segment.ts';

/** Made by `newSegmentName`; used by one caller at a time, in order. */
export class SegmentFile {
  readonly name: string;
  readonly begunMs: number;
  readonly #directory: string;
  readonly #path: string;
  #handle: FileHandle | undefined;
  #rows = 0;
  #bytes = 0;
  #torn = false;
  /** Rows and bytes that were given to it so far, whether they are in the file yet or not. */
  givenRows = 0;
  givenBytes = 0;

  /** @param directory of the table's segments; it exists */
  constructor(directory: string, name: string, begunMs: number) {
    this.name = name;
    this.begunMs = begunMs;
    this.#directory = directory;
    this.#path = join(directory, `${name}.open`);
  }

  /**
   * Appends whole rows, all of them with one write where the system takes them at once.
   * @throws whatever the file system throws; the rows appended before stay
   */
  async append(parts: readonly Uint8Array[], rows: number): Promise<void> {
    this.#handle ??= await open(this.#path, 'wx', 0o600);
    let rest = parts;
    let position = this.#bytes;
    try {
      while (rest.length > 0) {
        const { bytesWritten } = await this.#handle.writev(rest, position);
        position += bytesWritten;
        rest = behind(rest, bytesWritten);
      }
    } catch (error) {
      this.#torn = true;
      throw error;
    }
    this.#bytes = position;
    this.#rows += rows;
  }

  /** Ends the segment; undefined if nothing came to be in it. @throws whatever the file system throws */
  async seal(table: string): Promise<Segment | undefined> {
    // A write that failed half-way left bytes behind the last whole row.
    if (this.#torn) await this.#handle?.truncate(this.#bytes);
    await this.#handle?.close();
    if (this.#rows === 0) {
      await rm(this.#path, { force: true });
      return undefined;
    }
    const path = join(this.#directory, `${this.name}.${this.#rows}.rowbinary`);
    await rename(this.#path, path);
    return { table, name: this.name, path, rows: this.#rows, bytes: this.#bytes };
  }

  /** What is in the file. */
  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }
}

/** What is left of some parts behind so many bytes. */
function behind(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip < part.length) rest.push(skip === 0 ? part : part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}
