/** How many blocks back a table knows the tokens of its inserts. */
import type { ClickHouseClient } from '@clickhouse/client';

/**
 * Blocks whose tokens the server remembers, by its own account; 0 if it remembers none.
 * @throws whatever the client throws
 */
export async function deduplicationWindow(
  client: ClickHouseClient,
  table: string,
  signal: AbortSignal,
): Promise<number> {
  const answer = await client.query({
    query: `SELECT engine LIKE 'Replicated%' AS replicated, engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`,
    query_params: { table },
    format: 'JSONEachRow',
    abort_signal: signal,
  });
  const [row] = await answer.json<{ replicated: number; engine_full: string }>();
  const setting = row?.replicated === 1 ? 'replicated_deduplication_window' : 'non_replicated_deduplication_window';
  const own = new RegExp(`\\b${setting} = (\\d+)`).exec(row?.engine_full ?? '')?.[1];
  if (own !== undefined) return Number(own);
  const all = await client.query({
    query: 'SELECT toUInt32(value) AS blocks FROM system.merge_tree_settings WHERE name = {setting:String}',
    query_params: { setting },
    format: 'JSONEachRow',
    abort_signal: signal,
  });
  return (await all.json<{ blocks: number }>())[0]?.blocks ?? 0;
}
