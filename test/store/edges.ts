/** Builds edges_1m when a test wants it. */
import type { ClickHouseClient } from '@clickhouse/client';
import { BUILD_SETTINGS, buildSql, dirtyMinutesSql, nextMinutes } from '../../store/edge_builds.ts';

/** Builds every minute that is to be built, once, as the store does by itself. Returns them. */
export async function buildEdges(writer: ClickHouseClient, database: string): Promise<number[]> {
  const built: number[] = [];
  for (;;) {
    const dirty = (await dirtyMinutes(writer, database)).filter((minute) => !built.includes(minute));
    if (dirty.length === 0) return built;
    const minutes = nextMinutes(dirty);
    await writer.command({ query: buildSql(database, minutes), clickhouse_settings: BUILD_SETTINGS });
    built.push(...minutes);
  }
}

/** Minutes that are to be built, seconds since the epoch. */
export async function dirtyMinutes(writer: ClickHouseClient, database: string): Promise<number[]> {
  const result = await writer.query({ query: dirtyMinutesSql(database), format: 'JSONCompactEachRow' });
  return (await result.json<[number]>()).map(([minute]) => minute);
}
