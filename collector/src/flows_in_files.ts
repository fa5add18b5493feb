/** What the files of the spool tell of the flow rows in them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FLOWS } from '../../store/tables.ts';
import { DiskSegment } from './deliver/disk_segment.ts';
import { rowKey } from './deliver/row_keys.ts';
import { parseSegmentFile } from './deliver/segment.ts';

/**
 * Time of the newest flow row that the last run wrote without having seen that it is in its file, nanoseconds since the
 * epoch: the last one in a file that was still growing. Of whole ones all was seen.
 * @returns undefined if there is none, or none that can be read
 */
export async function newestFlowInFiles(dataDir: string): Promise<bigint | undefined> {
  const directory = join(dataDir, 'spool', FLOWS.name);
  let newest: bigint | undefined;
  for (const file of await readdir(directory).catch(() => [])) {
    const parsed = parseSegmentFile(file);
    if (parsed === undefined || parsed.rows !== undefined) continue;
    const timeNs = await lastTime(join(directory, file), parsed.name).catch(() => undefined);
    if (timeNs !== undefined && (newest === undefined || timeNs > newest)) newest = timeNs;
  }
  return newest;
}

/** Latest time in the last block of a file: blocks stand in the order in which their records were read. */
async function lastTime(path: string, name: string): Promise<bigint | undefined> {
  const segment = new DiskSegment({ table: FLOWS.name, name, path, begunMs: 0, endedMs: 0, rows: 0, bytes: 0 });
  let last: Uint8Array | undefined;
  for await (const block of segment.read()) last = block;
  if (last === undefined) return undefined;
  let latest: bigint | undefined;
  for (const { timeNs } of rowKey(FLOWS)?.rows(Buffer.from(last.buffer, last.byteOffset, last.byteLength)) ?? [])
    if (latest === undefined || timeNs > latest) latest = timeNs;
  return latest;
}
