/** Builds edges_1m and edges_1h when a test wants it. */
import type { ClickHouseClient } from '@clickhouse/client';
import { buildEdges as build } from '../../store/build_edges.ts';
import { dirtyMinutesSql } from '../../store/edge_builds.ts';

/** Builds every minute and hour that is to be built, once, as the store does by itself. Returns how many. */
export function buildEdges(writer: ClickHouseClient, database: string): Promise<number> {
  const edges = {
    async rows<Row>(query: string) {
      return (await writer.query({ query, format: 'JSONEachRow' })).json<Row>();
    },
    async build(query: string, settings: Readonly<Record<string, string>>) {
      await writer.command({ query, clickhouse_settings: settings });
    },
  };
  return build(edges, { database, patienceS: 0, signal: AbortSignal.timeout(60_000) });
}

/** Minutes that are to be built, seconds since the epoch. */
export async function dirtyMinutes(writer: ClickHouseClient, database: string): Promise<number[]> {
  const result = await writer.query({ query: dirtyMinutesSql(database), format: 'JSONCompactEachRow' });
  return (await result.json<[number]>()).map(([minute]) => minute);
}
