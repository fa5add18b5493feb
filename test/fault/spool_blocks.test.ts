/** A small segment's file, torn at every byte and with every bit flipped: what is sound comes back, what is not is counted. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { type Blocks, findBlocks, sumSeed } from '../../collector/src/deliver/block.ts';
import { DiskSegment } from '../../collector/src/deliver/disk_segment.ts';
import { findLeftovers } from '../../collector/src/deliver/leftovers.ts';
import { newSegmentName, segmentFileName } from '../../collector/src/deliver/segment.ts';
import { bytesInFile, SegmentFile } from '../../collector/src/deliver/segment_file.ts';

const folder = mkdtempSync(join(tmpdir(), 'flowspan-blocks-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A row is its number, in four bytes. */
const ROW_BYTES = 4;
const RUNS = [3, 1, 5] as const;
const ROWS = RUNS.reduce((sum, rows) => sum + rows, 0);

const name = newSegmentName(1_700_000_000_000);
const { bytes: whole, segment } = await written(name);

async function written(segmentName: string): Promise<{ bytes: Buffer; segment: DiskSegment }> {
  const file = new SegmentFile(folder, segmentName, 1);
  let row = 0;
  for (const rows of RUNS) {
    const bytes = Buffer.alloc(rows * ROW_BYTES);
    for (let at = 0; at < bytes.length; at += ROW_BYTES) bytes.writeUInt32LE(row++, at);
    await file.append([{ bytes, rows }], 2);
  }
  const sealed = await file.seal('flows');
  await file.close();
  assert.ok(sealed);
  return { bytes: readFileSync(sealed.path), segment: sealed };
}

const ofBytes = (bytes: Buffer) => ({
  size: bytes.length,
  read: async (at: number, length: number) => bytes.subarray(at, at + length),
});
const blocksIn = (bytes: Buffer): Promise<Blocks> => findBlocks(ofBytes(bytes), sumSeed(name));

/** Numbers of the rows that are read. */
function rowsIn(bytes: Buffer, { sound }: Blocks): number[] {
  return sound.flatMap(({ at, bytes: length }) =>
    Array.from({ length: length / ROW_BYTES }, (_, row) => bytes.readUInt32LE(at + row * ROW_BYTES)),
  );
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const firstRows = RUNS.map((_, run) => RUNS.slice(0, run).reduce((sum, rows) => sum + rows, 0));
const ends = RUNS.map((_, run) => RUNS.slice(0, run + 1).reduce((sum, rows) => sum + bytesInFile(rows * ROW_BYTES), 0));

test('a segment gives the rows that were put in, nothing between them', async () => {
  await segment.check();
  const read = Buffer.concat(await Array.fromAsync(segment.read()));
  assert.equal(segment.rows, ROWS);
  assert.equal(segment.damaged, 0);
  assert.equal(segment.bytes, whole.length);
  assert.deepEqual(
    numbers(0, ROWS),
    numbers(0, ROWS).map((row) => read.readUInt32LE(row * ROW_BYTES)),
  );
  assert.equal(read.length, ROWS * ROW_BYTES);
});

test('torn at any byte: whole blocks are read, and rows of a torn one are known as soon as its header is there', async () => {
  for (let size = 0; size <= whole.length; size += 1) {
    const torn = whole.subarray(0, size);
    const blocks = await blocksIn(torn);
    const sound = ends.filter((end) => end <= size).length;
    assert.deepEqual(rowsIn(torn, blocks), numbers(0, firstRows[sound] ?? ROWS), `${size} bytes`);
    const headers = firstRows.filter((_, run) => (ends[run - 1] ?? 0) + bytesInFile(0) <= size).length;
    assert.equal(blocks.rowsTold, firstRows[headers] ?? ROWS, `${size} bytes`);
    assert.equal(blocks.torn, size !== 0 && size !== ends[sound - 1] && headers === sound, `${size} bytes`);
  }
});

test('any bit flipped: the other blocks are read, and the whole count is known', async () => {
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const hit = ends.findIndex((end) => bit >> 3 < end);
    const path = join(folder, 'flipped');
    writeFileSync(path, flipped);
    const one = new DiskSegment({ ...facts(path), rows: ROWS });
    await one.check();
    const read = Buffer.concat(await Array.fromAsync(one.read()));
    const left = [...numbers(0, firstRows[hit]!), ...numbers(firstRows[hit + 1] ?? ROWS, ROWS)];
    assert.deepEqual(
      Array.from({ length: read.length / ROW_BYTES }, (_, row) => read.readUInt32LE(row * ROW_BYTES)),
      left,
      `bit ${bit}`,
    );
    assert.equal(one.rows + one.damaged, ROWS, `bit ${bit}`);
    assert.equal(one.damaged, RUNS[hit], `bit ${bit}`);
  }
});

const facts = (path: string) => ({
  ...{ table: 'flows', name, path, rows: ROWS },
  ...{ bytes: whole.length, begunMs: 1, endedMs: 2 },
});

test('a block that lies in a row, or comes from another segment, is none', async () => {
  const other = (await written(newSegmentName(5))).bytes;
  assert.deepEqual(await blocksIn(other), { sound: [], rows: 0, rowsTold: 0, torn: true });
  const within = new SegmentFile(folder, newSegmentName(6), 1);
  await within.append([{ bytes: other, rows: 1 }], 2);
  const outer = await within.seal('flows');
  await within.close();
  const damaged = readFileSync(outer!.path);
  damaged[0]! ^= 1;
  const blocks = await findBlocks(ofBytes(damaged), sumSeed(outer!.name));
  assert.equal(blocks.sound.length, 0);
});

test('what changes between two attempts is found while it is read, and decided anew', async () => {
  const path = join(folder, 'changed');
  writeFileSync(path, whole);
  const one = new DiskSegment(facts(path));
  await one.check();
  const changed = Buffer.from(whole);
  changed[ends[0]! - 1]! ^= 1;
  writeFileSync(path, changed);
  await assert.rejects(Array.fromAsync(one.read()), /has changed/);
  await one.check();
  assert.deepEqual([one.rows, one.damaged], [ROWS - RUNS[0], RUNS[0]]);
});

test('a file that is gone, or a folder in its place, is a segment without a sound row', async () => {
  const directory = join(folder, 'directory');
  mkdirSync(directory);
  for (const path of [join(folder, 'gone'), directory]) {
    const one = new DiskSegment(facts(path));
    await one.check();
    assert.deepEqual([one.rows, one.damaged], [0, ROWS]);
    assert.deepEqual(await Array.fromAsync(one.read()), []);
  }
});

test('leftovers: whole ones, growing ones torn at any byte, empty ones; each row is there or told of', async () => {
  for (let size = 0; size <= whole.length; size += 1) {
    const spool = mkdtempSync(join(folder, 'left-'));
    writeFileSync(join(spool, segmentFileName(name)), whole.subarray(0, size));
    const errors: unknown[] = [];
    const { segments, torn } = await findLeftovers(spool, 'flows', (error) => errors.push(error));
    const { rows, rowsTold, torn: isTorn } = await blocksIn(whole.subarray(0, size));
    assert.deepEqual(errors, []);
    assert.equal(torn.length, isTorn ? 1 : 0);
    assert.equal(segments.length, rowsTold === 0 ? 0 : 1);
    const [one] = segments;
    if (one === undefined) continue;
    assert.equal(one.rows, rowsTold);
    await one.check();
    assert.deepEqual([one.rows, one.damaged], [rows, rowsTold - rows]);
    await one.remove();
    assert.deepEqual((await findLeftovers(spool, 'flows', () => assert.fail())).segments, []);
  }
});
