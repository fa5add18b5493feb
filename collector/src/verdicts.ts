/** What policies said, on its way to rows: joins the policies' part with delivery and losses. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeRow } from '../../store/rowbinary.ts';
import { VERDICTS } from '../../store/tables.ts';
import type { PolicyPart } from './control/policy/part.ts';
import type { VerdictTeller } from './control/policy/verdicts.ts';
import type { Delivery } from './deliver/delivery.ts';
import { DiskSegment } from './deliver/disk_segment.ts';
import type { LiveFeed } from './deliver/live.ts';
import type { Losses } from './deliver/losses.ts';
import { rowKey } from './deliver/row_keys.ts';
import { parseSegmentFile } from './deliver/segment.ts';
import type { Scope } from './rows.ts';

export interface VerdictParts {
  /** Not started yet: what is in its files has not left them. */
  readonly delivery: Pick<Delivery, 'add'>;
  readonly live: Pick<LiveFeed, 'wants' | 'row'>;
  readonly losses: Losses;
  readonly scope: Scope;
  /** Wall-clock time, nanoseconds since the epoch. */
  readonly nowNs: () => bigint;
  readonly dataDir: string;
}

/** Has the verdicts told from now on; undefined where there is no such part. */
export async function tellVerdicts(
  part: PolicyPart | undefined,
  { delivery, live, losses, scope, nowNs, dataDir }: VerdictParts,
): Promise<VerdictTeller | undefined> {
  const add = (row: Readonly<Record<string, unknown>>) => {
    if (live.wants(VERDICTS)) live.row(VERDICTS, encodeRow(VERDICTS, row));
    return delivery.add(VERDICTS, row);
  };
  return part?.report({
    wallNs: (monotonicNs) => nowNs() - (process.hrtime.bigint() - monotonicNs),
    add: (row) => add({ ...scope, ...row }),
    lost: (count) => losses.add('verdict', 'records_full', count),
    inFiles: await verdictsInFiles(dataDir),
  });
}

/** Rows that earlier runs have left in the spool, as `${time}/${verdict_id}`. What cannot be read is not among them. */
export async function verdictsInFiles(dataDir: string): Promise<ReadonlySet<string>> {
  const directory = join(dataDir, 'spool', VERDICTS.name);
  const found = new Set<string>();
  for (const file of await readdir(directory).catch(() => [])) {
    const parsed = parseSegmentFile(file);
    if (parsed === undefined) continue;
    const facts = { begunMs: 0, endedMs: 0, rows: 0, bytes: 0, path: join(directory, file) };
    const segment = new DiskSegment({ table: VERDICTS.name, name: parsed.name, ...facts });
    try {
      for await (const block of segment.read())
        for (const { key, timeNs } of rowKey(VERDICTS)?.rows(asBuffer(block)) ?? [])
          found.add(`${timeNs}${key.slice(key.lastIndexOf('/'))}`);
    } catch {
      // It is damaged, and the rest of it is not sent either.
    }
  }
  return found;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
