/**
 * A segment: a batch of rows of one table that is a file in the spool, and one INSERT. While it grows it is called
 * `<name>.open`; when it is whole, `<name>.<rows>.rowbinary`. Its name is its deduplication token, so that sending it
 * twice stores it once.
 */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';

/** A whole segment that waits for ClickHouse. */
export interface Segment {
  /** Table it belongs to. */
  readonly table: string;
  /** Unique over tables, nodes and restarts. */
  readonly name: string;
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
}

const RUN = randomBytes(4).toString('hex');
let count = 0;

/** A name that no other segment has, and that sorts by the time it was given. */
export function newSegmentName(nowMs: number): string {
  count += 1;
  return `${nowMs.toString().padStart(14, '0')}-${count.toString().padStart(8, '0')}-${RUN}`;
}

/** Name and rows of a whole segment's file; undefined for other files. */
export function parseSegmentFile(path: string): { readonly name: string; readonly rows: number } | undefined {
  const match = /^([0-9]+-[0-9]+-[0-9a-f]+)\.([0-9]+)\.rowbinary$/.exec(basename(path));
  return match === null ? undefined : { name: match[1] as string, rows: Number(match[2]) };
}

/** When a segment was begun, milliseconds since the epoch. */
export function segmentBegunMs(name: string): number {
  return Number(name.slice(0, name.indexOf('-')));
}
