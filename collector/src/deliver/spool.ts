/** The directory of segments: how much may wait in it, and what an earlier run left there. */
import { mkdir, readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Table } from '../../../store/tables.ts';
import { wholeRows } from './row_length.ts';
import { parseSegmentFile, type Segment } from './segment.ts';

/** Bytes that the spool may hold over all tables. */
export class SpoolBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes room for this many bytes; false, and nothing taken, if there is no such room. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes room for bytes that are there already, whether it fits or not. */
  take(bytes: number): void {
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Makes the directory of a table's segments; returns its path. */
export async function makeSpool(dataDir: string, table: Table): Promise<string> {
  const directory = join(dataDir, 'spool', table.name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/**
 * Segments that an earlier run left, oldest first. One that was still growing is ended at its last whole row: it was
 * never sent, so its name is free to be its token. Files that are no segments are left alone.
 */
export async function leftovers(directory: string, table: Table): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const file of (await readdir(directory)).sort()) {
    const path = join(directory, file);
    const whole = file.endsWith('.open') ? await endGrowing(path, table) : path;
    const parsed = whole === undefined ? undefined : parseSegmentFile(whole);
    if (whole === undefined || parsed === undefined) continue;
    segments.push({ table: table.name, path: whole, bytes: (await stat(whole)).size, ...parsed });
  }
  return segments;
}

async function endGrowing(path: string, table: Table): Promise<string | undefined> {
  const bytes = await readFile(path);
  const { rows, end } = wholeRows(table, bytes);
  if (rows === 0) {
    await rm(path);
    return undefined;
  }
  if (end < bytes.length) await truncate(path, end);
  const whole = path.replace(/open$/, `${rows}.rowbinary`);
  await rename(path, whole);
  return whole;
}
