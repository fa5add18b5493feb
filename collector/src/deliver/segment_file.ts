/** A segment while it grows: a file called `<name>.open`, renamed when it is whole. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { blockHeader, HEADER_BYTES, sumSeed } from './block.ts';
import { DiskSegment } from './disk_segment.ts';
import { segmentFileName } from './segment.ts';

/** Rows that become one block. */
export interface Run {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/** Made by `newSegmentName`; `append` and `seal` are called in order, `sync` and `close` whenever. */
export class SegmentFile {
  readonly name: string;
  readonly begunMs: number;
  readonly directory: string;
  readonly #seed: number;
  #path: string;
  #handle: FileHandle | undefined;
  #rows = 0;
  #bytes = 0;
  #torn = false;
  #sealed = false;
  #endedMs: number;
  /** Rows and bytes that were given to it so far, whether they are in the file yet or not. */
  givenRows = 0;
  givenBytes = 0;

  /** @param directory of the table's segments; made if it is not there */
  constructor(directory: string, name: string, begunMs: number) {
    this.name = name;
    this.begunMs = begunMs;
    this.#endedMs = begunMs;
    this.directory = directory;
    this.#seed = sumSeed(name);
    this.#path = join(directory, segmentFileName(name));
  }

  /**
   * Appends a block for each run, all of them with one write where the system takes them at once.
   * @throws whatever the file system throws; the blocks appended before stay, these are not there
   */
  async append(runs: readonly Run[], nowMs: number): Promise<void> {
    // Until it has succeeded, bytes may lie behind the last whole block.
    this.#torn = true;
    this.#handle ??= await this.#open();
    let rows = this.#rows;
    let rest = runs.flatMap((run) => {
      const header = blockHeader(run.bytes, run.rows, rows, this.#seed);
      rows += run.rows;
      return [header, run.bytes];
    });
    let position = this.#bytes;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, position);
      position += bytesWritten;
      rest = behind(rest, bytesWritten);
    }
    this.#torn = false;
    this.#bytes = position;
    this.#rows = rows;
    this.#endedMs = nowMs;
  }

  /** Ends the segment; undefined if nothing came to be in it. It stays open until `close`. */
  async seal(table: string): Promise<DiskSegment | undefined> {
    this.#sealed = true;
    // On a disk that can only be read the bytes stay, and the file under its name: a reader passes over the former.
    if (this.#torn) await this.#handle?.truncate(this.#bytes).catch(() => undefined);
    if (this.#rows === 0) {
      await this.close();
      await rm(this.#path, { force: true }).catch(() => undefined);
      return undefined;
    }
    const path = join(this.directory, segmentFileName(this.name, this.#rows));
    try {
      await rename(this.#path, path);
      this.#path = path;
    } catch {}
    const { name, begunMs } = this;
    return new DiskSegment({
      table,
      name,
      begunMs,
      endedMs: this.#endedMs,
      path: this.#path,
      rows: this.#rows,
      bytes: this.#bytes,
    });
  }

  /** Brings what was appended to the disk, and closes the file if it is sealed. @throws whatever the file system throws */
  async sync(): Promise<void> {
    const sealed = this.#sealed;
    try {
      await this.#handle?.datasync();
    } finally {
      if (sealed) await this.close();
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  /** Whether a write has failed: nothing more is to be appended. */
  get isBroken(): boolean {
    return this.#torn;
  }

  async #open(): Promise<FileHandle> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    return open(this.#path, 'wx', 0o600);
  }
}

/** Bytes that rows take in a file, as one block. */
export function bytesInFile(rowBytes: number): number {
  return HEADER_BYTES + rowBytes;
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
