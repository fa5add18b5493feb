/** Spool files that no collector wrote, through the spool's reader: what must hold whatever the bytes are. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Blocks, blockHeader, findBlocks, HEADER_BYTES, sumSeed } from '../../collector/src/deliver/block.ts';
import { findLeftovers } from '../../collector/src/deliver/leftovers.ts';
import { segmentFileName } from '../../collector/src/deliver/segment.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';

/** The segment that the corpus is of. */
export const SEGMENT = '01700000000000-00000001-0badcafe';
const OTHER_SEGMENT = '01700000000000-00000002-0badcafe';

interface Written {
  readonly rows: number;
  readonly payload: Buffer;
  /** Where it ends in the file. */
  readonly end: number;
}

/** A file of blocks of these payloads, each of so many rows. */
export function fileOf(name: string, payloads: readonly (readonly [rows: number, payload: Buffer])[]): Buffer {
  let first = 0;
  return Buffer.concat(
    payloads.flatMap(([rows, payload]) => {
      const header = blockHeader(payload, rows, first, sumSeed(name));
      first += rows;
      return [header, payload];
    }),
  );
}

const OTHER = fileOf(OTHER_SEGMENT, [[4, Buffer.from('rows of another segment')]]);
/** Rows as a client may have made them: text, nothing at all, the magic, and a whole file of another segment. */
const PAYLOADS: readonly (readonly [number, Buffer])[] = [
  [3, Buffer.from('three rows of text')],
  [1, Buffer.from('FSB1FSB1FSB1\0\0\0\0\x01\0\0\0')],
  [5, OTHER],
  [2, Buffer.alloc(600, 0x20)],
  [1, Buffer.from('.')],
];
/** The whole file. */
export const WHOLE = fileOf(SEGMENT, PAYLOADS);

const WRITTEN: readonly Written[] = PAYLOADS.map(([rows, payload], index) => ({
  rows,
  payload,
  end: PAYLOADS.slice(0, index + 1).reduce((sum, [, { length }]) => sum + HEADER_BYTES + length, 0),
}));

function commonPrefix(a: Buffer, b: Buffer): number {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length += 1;
  return length;
}

/** @throws AssertionError if something does not hold of what was found in the file */
function check(file: Buffer, { sound, rows, rowsTold }: Blocks): void {
  let next = 0;
  let sum = 0;
  for (const { at, bytes } of sound) {
    assert.ok(at >= HEADER_BYTES && at + bytes <= file.length, 'a block beyond the file');
    const payload = file.subarray(at, at + bytes);
    const index = WRITTEN.findIndex((one, candidate) => candidate >= next && one.payload.equals(payload));
    assert.notEqual(index, -1, 'rows that were never written, or not in this order, or twice');
    next = index + 1;
    sum += WRITTEN[index]!.rows;
  }
  assert.equal(rows, sum);
  assert.ok(rows <= rowsTold, `${rows} rows of ${rowsTold}`);
  const untouched = commonPrefix(file, WHOLE);
  const whole = WRITTEN.filter(({ end }) => end <= untouched).length;
  assert.ok(sound.length >= whole, `${sound.length} blocks of ${whole} that are untouched`);
}

/** The reader over files in memory. */
export async function readInMemory(file: Buffer): Promise<Blocks> {
  let read = 0;
  const source = {
    size: file.length,
    read: async (at: number, bytes: number) => {
      assert.ok(at >= 0 && at + bytes <= file.length, 'a read beyond the file');
      read += 1;
      return file.subarray(at, at + bytes);
    },
  };
  const blocks = await findBlocks(source, sumSeed(SEGMENT));
  assert.ok(read <= file.length + 10, `${read} reads of ${file.length} bytes`);
  check(file, blocks);
  return blocks;
}

/** The same over a directory: as a file that was growing, and as one that was whole. */
export async function readFromDisk(file: Buffer): Promise<void> {
  const folder = temporaryFolder();
  const expected = await readInMemory(file);
  for (const [index, rows] of [undefined, 12].entries()) {
    const directory = join(folder, String(index));
    mkdirSync(directory);
    writeFileSync(join(directory, segmentFileName(SEGMENT, rows)), file);
    const { segments } = await findLeftovers(directory, 'flows', (error) => {
      throw error;
    });
    assert.equal(segments.length, rows === undefined && expected.rowsTold === 0 ? 0 : 1);
    for (const segment of segments) {
      await segment.check();
      const read = Buffer.concat(await Array.fromAsync(segment.read()));
      const sound = expected.sound.map(({ at, bytes }) => file.subarray(at, at + bytes));
      assert.ok(read.equals(Buffer.concat(sound)), 'other rows than in memory');
      assert.equal(segment.rows, expected.rows);
      await segment.remove();
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
