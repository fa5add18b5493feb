/** What an earlier run left in the spool. */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { blocksOf, DiskSegment } from './disk_segment.ts';
import { parseSegmentFile, type Segment, segmentBegunMs, segmentFileName } from './segment.ts';

export interface Leftovers {
  /** Oldest first. */
  readonly segments: readonly Segment[];
  /** Files whose end is damaged so that it cannot be known how many rows they have lost; each with its time. */
  readonly torn: readonly Pick<Segment, 'begunMs' | 'endedMs'>[];
}

/**
 * Segments that an earlier run left in a directory. One that was still growing was never sent, so its name is free to
 * be its token. What is damaged in a segment shows at its check. Files that are no segments are left alone.
 * @param failed told of what cannot be read or renamed; the rest is found all the same
 */
export async function findLeftovers(
  directory: string,
  table: string,
  failed: (error: unknown) => void,
): Promise<Leftovers> {
  const segments: Segment[] = [];
  const torn: Pick<Segment, 'begunMs' | 'endedMs'>[] = [];
  for (const file of (await readdir(directory).catch(nothingThere(failed))).sort()) {
    const parsed = parseSegmentFile(file);
    if (parsed === undefined) continue;
    const { name } = parsed;
    const begunMs = segmentBegunMs(name);
    let path = join(directory, file);
    try {
      const { size: bytes, mtimeMs } = await stat(path);
      const endedMs = Math.max(begunMs, Math.round(mtimeMs));
      let rows = parsed.rows;
      if (rows === undefined) {
        const blocks = await blocksOf(path, name);
        rows = blocks.rowsTold;
        if (blocks.torn) torn.push({ begunMs, endedMs });
        if (rows === 0) {
          await rm(path);
          continue;
        }
        path = await renamed(path, join(directory, segmentFileName(name, rows)), failed);
      }
      segments.push(new DiskSegment({ table, name, begunMs, endedMs, path, rows, bytes }));
    } catch (error) {
      failed(error);
    }
  }
  return { segments, torn };
}

const nothingThere = (failed: (error: unknown) => void) => (error: NodeJS.ErrnoException) => {
  if (error.code !== 'ENOENT') failed(error);
  return [];
};

/** Where the file is now: on a disk that can only be read it keeps its name. */
async function renamed(path: string, whole: string, failed: (error: unknown) => void): Promise<string> {
  try {
    await rename(path, whole);
    return whole;
  } catch (error) {
    failed(error);
    return path;
  }
}
