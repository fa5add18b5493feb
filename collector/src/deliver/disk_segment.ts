/** A segment that is a file of the spool. */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { type Block, type Blocks, findBlocks, isSound, sumSeed } from './block.ts';
import { FileSource } from './file_source.ts';
import type { Segment } from './segment.ts';

/** Errors of `open` that pass; any other means that the file cannot be had. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EAGAIN']);
const NOTHING: Blocks = { sound: [], rows: 0, rowsTold: 0, torn: false };

export type DiskSegmentFacts = Omit<Segment, 'place' | 'damaged' | 'check' | 'read' | 'remove'> & {
  readonly path: string;
};

/** A whole file of blocks; nothing is appended to it any more. */
export class DiskSegment implements Segment {
  readonly place = 'disk';
  readonly table: string;
  readonly name: string;
  readonly bytes: number;
  readonly begunMs: number;
  readonly endedMs: number;
  readonly path: string;
  readonly #rows: number;
  #blocks: Blocks | undefined;

  constructor(facts: DiskSegmentFacts) {
    this.table = facts.table;
    this.name = facts.name;
    this.bytes = facts.bytes;
    this.begunMs = facts.begunMs;
    this.endedMs = facts.endedMs;
    this.path = facts.path;
    this.#rows = facts.rows;
  }

  get rows(): number {
    return this.#blocks?.rows ?? this.#rows;
  }

  get damaged(): number {
    return this.#blocks === undefined ? 0 : Math.max(0, this.#rows - this.#blocks.rows);
  }

  async check(): Promise<void> {
    this.#blocks ??= await blocksOf(this.path, this.name);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    await this.check();
    const sound = this.#blocks?.sound ?? [];
    if (sound.length === 0) return;
    const handle = await open(this.path);
    try {
      for (const block of sound) yield await this.#rowsOf(block, handle);
    } finally {
      await handle.close();
    }
  }

  async #rowsOf(block: Block, handle: FileHandle): Promise<Uint8Array> {
    const rows = Buffer.allocUnsafe(block.bytes);
    const { bytesRead } = await handle.read(rows, 0, block.bytes, block.at);
    if (bytesRead === block.bytes && isSound(block, rows, sumSeed(this.name))) return rows;
    this.#blocks = undefined;
    throw new Error(`${this.path} has changed since it was checked`);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/**
 * Blocks of a segment's file; none of a file that cannot be had.
 * @throws if the process lacks what it takes to read at the moment
 */
export async function blocksOf(path: string, name: string): Promise<Blocks> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    return await findBlocks(new FileSource(handle, (await handle.stat()).size), sumSeed(name));
  } catch (error) {
    if (PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return NOTHING;
  } finally {
    await handle?.close();
  }
}
