/**
 * A program that appends to segments of a spool until it is killed, and says after each write how many rows are in.
 * A row is its number, in four bytes. Usage: spool_writer.ts DIRECTORY
 */
import { writeSync } from 'node:fs';
import { newSegmentName } from '../../../collector/src/deliver/segment.ts';
import { SegmentFile } from '../../../collector/src/deliver/segment_file.ts';

const ROW_BYTES = 4;
const ROWS = 16 * 1024;
const RUNS = 4;
const WRITES = 8;

const directory = process.argv[2] as string;
let row = 0;
for (;;) {
  const file = new SegmentFile(directory, newSegmentName(Date.now()), Date.now());
  for (let write = 0; write < WRITES; write += 1) {
    const runs = Array.from({ length: RUNS }, () => {
      const bytes = Buffer.alloc(ROWS * ROW_BYTES);
      for (let at = 0; at < bytes.length; at += ROW_BYTES) bytes.writeUInt32LE(row++, at);
      return { bytes, rows: ROWS };
    });
    await file.append(runs, Date.now());
    writeSync(1, `${row}\n`);
  }
  await file.seal('flows');
  await file.close();
}
