/**
 * How rows lie in a spool file: in blocks, one behind the other, each with a header of 24 bytes, little-endian:
 *
 *     u32 magic · u32 first row (of the segment, from 0) · u32 rows · u32 bytes · u32 CRC of these rows · u32 CRC of the header
 *
 * Both sums are CRC-32 and begin with the sum of the segment's name, which holds a random part: bytes that came in with
 * a request cannot look like a block, and a block of another file is none of this one. A damaged header is passed over
 * to the next one that is sound, whose first row tells how many rows are missing before it.
 */
import { crc32 } from 'node:zlib';

export const HEADER_BYTES = 24;
/** Beyond it a header is none: far above what is written as one block. */
const MOST_BLOCK_BYTES = 64 * 1024 ** 2;
const MAGIC = Buffer.from('FSB1');

/** Rows that are sound. */
export interface Block {
  /** Where its rows begin in the file. */
  readonly at: number;
  readonly bytes: number;
  readonly sum: number;
}

/** What a file holds. */
export interface Blocks {
  readonly sound: readonly Block[];
  /** Rows in `sound`. */
  readonly rows: number;
  /** Rows that were in the file, as far as headers tell. */
  readonly rowsTold: number;
  /** Whether bytes at the end belong to no header, so that more rows may have been there. */
  readonly torn: boolean;
}

/** Bytes of a file, a few at a time. */
export interface ByteSource {
  readonly size: number;
  /** Bytes from an offset on: as many as asked for, within the size; valid until the next call. */
  read(at: number, bytes: number): Promise<Buffer>;
}

/** What the sums of a segment's blocks begin with. */
export function sumSeed(segmentName: string): number {
  return crc32(segmentName);
}

/** Header of the block that these rows make. */
export function blockHeader(bytes: Uint8Array, rows: number, firstRow: number, seed: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(firstRow, 4);
  header.writeUInt32LE(rows, 8);
  header.writeUInt32LE(bytes.length, 12);
  header.writeUInt32LE(crc32(bytes, seed), 16);
  header.writeUInt32LE(crc32(header.subarray(0, 20), seed), 20);
  return header;
}

/** Whether these are the rows that were written as the block. */
export function isSound({ sum }: Block, rows: Uint8Array, seed: number): boolean {
  return crc32(rows, seed) === sum;
}

/** Finds the blocks of a file. Never throws for what is in it. */
export async function findBlocks(source: ByteSource, seed: number): Promise<Blocks> {
  const sound: Block[] = [];
  let rows = 0;
  let rowsTold = 0;
  let at = 0;
  while (at + HEADER_BYTES <= source.size) {
    const header = readHeader(await source.read(at, HEADER_BYTES), seed);
    if (header === undefined || header.firstRow < rowsTold) {
      at = await nextMagic(source, at + 1);
      continue;
    }
    rowsTold = header.firstRow + header.rows;
    const block = { at: at + HEADER_BYTES, bytes: header.bytes, sum: header.sum };
    at = block.at + block.bytes;
    if (at > source.size) return { sound, rows, rowsTold, torn: false };
    if (!isSound(block, await source.read(block.at, block.bytes), seed)) continue;
    sound.push(block);
    rows += header.rows;
  }
  return { sound, rows, rowsTold, torn: at !== source.size };
}

function readHeader(bytes: Buffer, seed: number) {
  if (!bytes.subarray(0, 4).equals(MAGIC) || bytes.readUInt32LE(20) !== crc32(bytes.subarray(0, 20), seed)) return;
  const header = {
    firstRow: bytes.readUInt32LE(4),
    rows: bytes.readUInt32LE(8),
    bytes: bytes.readUInt32LE(12),
    sum: bytes.readUInt32LE(16),
  };
  return header.bytes > MOST_BLOCK_BYTES ? undefined : header;
}

const STRIDE_BYTES = 64 * 1024;

/** Where the magic stands next; behind the size if nowhere. */
async function nextMagic(source: ByteSource, from: number): Promise<number> {
  for (let at = from; at + HEADER_BYTES <= source.size; at += STRIDE_BYTES) {
    const bytes = await source.read(at, Math.min(STRIDE_BYTES + MAGIC.length - 1, source.size - at));
    const found = bytes.indexOf(MAGIC);
    if (found !== -1) return at + found;
  }
  return source.size + 1;
}
