/** Asks ClickHouse which of a segment's rows it has. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { KeyedRow, RowKey } from './row_keys.ts';

/** Rows of one question: its text stays far below what ClickHouse reads of a query. */
const ROWS_AT_ONCE = 4000;
/** Longest that one question may take, seconds. */
const LONGEST_QUESTION_S = 30;

/** What of a segment is stored. */
export interface Found {
  readonly present: number;
  readonly missing: readonly Uint8Array[];
  /** Times of the rows, present or not, nanoseconds since the epoch. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
}

/**
 * Looks for rows by their keys, as often as each is there.
 * @param rows whole rows in RowBinary, at least one
 * @throws whatever the client throws
 */
export async function findRows(
  client: ClickHouseClient,
  table: string,
  key: RowKey,
  rows: Buffer,
  signal: AbortSignal,
): Promise<Found> {
  const missing: Uint8Array[] = [];
  const times: bigint[] = [];
  let present = 0;
  const look = async (some: readonly KeyedRow[]) => {
    const stored = await storedKeys(client, table, key, some, signal);
    for (const row of some) {
      const left = stored.get(row.key) ?? 0;
      stored.set(row.key, left - 1);
      if (left > 0) present += 1;
      else missing.push(row.bytes);
    }
    const range = rangeOf(some);
    times.push(range.since, range.until);
  };
  let some: KeyedRow[] = [];
  for (const row of key.rows(rows)) {
    some.push(row);
    if (some.length < ROWS_AT_ONCE) continue;
    await look(some);
    some = [];
  }
  if (some.length > 0) await look(some);
  times.sort((a, b) => (a < b ? -1 : 1));
  return { present, missing, sinceNs: times[0] ?? 0n, untilNs: times.at(-1) ?? 0n };
}

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
