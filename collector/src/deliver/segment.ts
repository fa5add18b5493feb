/**
 * A segment: a batch of rows of one table, and one INSERT. Its name is its deduplication token, so that sending it twice
 * stores it once. It is a file of the spool, or memory while the disk takes no file.
 */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';

/** A whole segment that waits for ClickHouse. */
export interface Segment {
  /** Table it belongs to. */
  readonly table: string;
  /** Unique over tables, nodes and restarts. */
  readonly name: string;
  readonly place: 'disk' | 'memory';
  /** Rows that `read` gives; before `check`, all that were put in. */
  readonly rows: number;
  /** Rows that were put in and are damaged; 0 before `check`. */
  readonly damaged: number;
  /** What it takes of its place. */
  readonly bytes: number;
  /** Its rows came between these, milliseconds since the epoch. */
  readonly begunMs: number;
  readonly endedMs: number;
  /** Decides what of it is sound, once: every attempt to send it sends the same. @throws if that cannot be told now */
  check(): Promise<void>;
  /** Its sound rows in RowBinary, nothing between them. @throws if they are no longer what `check` found */
  read(): AsyncGenerator<Uint8Array>;
  /** Ends it: its place is free again. @throws whatever the file system throws */
  remove(): Promise<void>;
}

const RUN = randomBytes(4).toString('hex');
let count = 0;

/** A name that no other segment has, and that sorts by the time it was given. */
export function newSegmentName(nowMs: number): string {
  count += 1;
  return `${nowMs.toString().padStart(14, '0')}-${count.toString().padStart(8, '0')}-${RUN}`;
}

/** When a segment was begun, milliseconds since the epoch. */
export function segmentBegunMs(name: string): number {
  return Number(name.slice(0, name.indexOf('-')));
}

/** Name of the file of a segment: `<name>.open` while it grows, `<name>.<rows>.segment` when it is whole. */
export function segmentFileName(name: string, rows?: number): string {
  return rows === undefined ? `${name}.open` : `${name}.${rows}.segment`;
}

/** What a file's name tells of its segment; undefined for files that are none. `rows` is missing while it grows. */
export function parseSegmentFile(
  path: string,
): { readonly name: string; readonly rows: number | undefined } | undefined {
  const match = /^([0-9]+-[0-9]+-[0-9a-f]+)\.(?:open|([0-9]+)\.segment)$/.exec(basename(path));
  if (match === null) return undefined;
  return { name: match[1] as string, rows: match[2] === undefined ? undefined : Number(match[2]) };
}
