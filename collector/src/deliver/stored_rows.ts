/** Asks ClickHouse which of a segment's rows it has. */
import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import type { KeyedRow, RowKey } from './row_keys.ts';
import type { Segment } from './segment.ts';

/** Rows of one question: its text stays far below what ClickHouse reads of a query. */
const ROWS_AT_ONCE = 4000;
/** Longest that one question may take, seconds. */
const LONGEST_QUESTION_S = 30;

/** Bytes of a segment's rows, from one offset to another, as `Segment.read` gives them. */
type Range = [begin: number, end: number];

/** What of a segment is stored. */
export interface Found {
  readonly present: number;
  /** Rows that are not, as whole ranges in order: rows themselves are read again, not held. */
  readonly missing: readonly Range[];
  /** Tells these missing rows from others of the segment. */
  readonly missingHash: string;
  /** Times of the rows, present or not, nanoseconds since the epoch. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
}

/** Whether a segment's rows have the columns of this version: an earlier one may have left others. */
export async function hasRowsOf(key: RowKey, segment: Segment): Promise<boolean> {
  let rows = 0;
  for await (const part of segment.read()) rows += key.count(bufferOf(part));
  return rows === segment.rows;
}

/**
 * Looks for rows by their keys, as often as each is there. Holds the keys of one question at a time.
 * @param segment its parts are whole rows; at least one row
 * @throws whatever the client throws, or reading the segment
 */
export async function findRows(
  client: ClickHouseClient,
  key: RowKey,
  segment: Segment,
  signal: AbortSignal,
): Promise<Found> {
  const missing: Range[] = [];
  const hash = createHash('sha256');
  const times: bigint[] = [];
  let present = 0;
  let offset = 0;
  const look = async (some: readonly KeyedRow[]) => {
    const stored = await storedKeys(client, segment.table, key, some, signal);
    for (const row of some) {
      const left = stored.get(row.key) ?? 0;
      stored.set(row.key, left - 1);
      const begin = offset;
      offset += row.bytes;
      if (left > 0) {
        present += 1;
        continue;
      }
      hash.update(`${row.key}\n`);
      const last = missing.at(-1);
      if (last?.[1] === begin) last[1] = offset;
      else missing.push([begin, offset]);
    }
    const range = rangeOf(some);
    times.push(range.since, range.until);
  };
  let some: KeyedRow[] = [];
  for await (const part of segment.read()) {
    for (const row of key.rows(bufferOf(part))) {
      some.push(row);
      if (some.length < ROWS_AT_ONCE) continue;
      await look(some);
      some = [];
    }
  }
  if (some.length > 0) await look(some);
  times.sort((a, b) => (a < b ? -1 : 1));
  const missingHash = hash.digest('hex').slice(0, 16);
  return { present, missing, missingHash, sinceNs: times[0] ?? 0n, untilNs: times.at(-1) ?? 0n };
}

/** Reads some ranges of a segment's rows. @param ranges in order */
export async function* readRanges(segment: Segment, ranges: readonly Range[]): AsyncGenerator<Uint8Array> {
  let offset = 0;
  let next = 0;
  for await (const part of segment.read()) {
    const end = offset + part.length;
    for (let range = ranges[next]; range !== undefined && range[0] < end; range = ranges[next]) {
      yield part.subarray(Math.max(range[0], offset) - offset, Math.min(range[1], end) - offset);
      if (range[1] > end) break;
      next += 1;
    }
    offset = end;
  }
}

const bufferOf = (part: Uint8Array) => Buffer.from(part.buffer, part.byteOffset, part.length);

function rangeOf(rows: readonly KeyedRow[]): { since: bigint; until: bigint } {
  let since = (rows[0] as KeyedRow).timeNs;
  let until = since;
  for (const { timeNs } of rows) {
    if (timeNs < since) since = timeNs;
    if (timeNs > until) until = timeNs;
  }
  return { since, until };
}

async function storedKeys(
  client: ClickHouseClient,
  table: string,
  key: RowKey,
  rows: readonly KeyedRow[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  // The bounds say which parts to look into, the list which rows.
  const { since, until } = rangeOf(rows);
  const answer = await client.query({
    query: [
      `SELECT ${key.sql} AS key, toUInt32(count()) AS times FROM ${table}`,
      `WHERE time >= fromUnixTimestamp64Nano(${since}) AND time <= fromUnixTimestamp64Nano(${until})`,
      `AND toUnixTimestamp64Nano(time) IN (${rows.map(({ timeNs }) => timeNs).join(',')}) GROUP BY key`,
    ].join('\n'),
    format: 'JSONCompactEachRow',
    clickhouse_settings: { select_sequential_consistency: '1', max_execution_time: LONGEST_QUESTION_S },
    abort_signal: signal,
  });
  return new Map(await answer.json<[string, number]>());
}
