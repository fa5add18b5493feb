/**
 * Builds edges_1m and edges_1h where nobody else does. The embedded store does it by itself; another ClickHouse has only us. Whoever
 * finds a minute or an hour that has waited too long builds it, and looks again soon; who finds none looks ever less often.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import { buildEdges, type EdgeDatabase } from '../../store/build_edges.ts';

/** Pause between two looks, least and most. */
const SOON_MS = 30_000;
const SELDOM_MS = 600_000;
/** How long a minute waits for the store before a collector builds it: three of the store's own looks. */
const PATIENCE_S = 90;

export interface EdgeBuildsOptions {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly log: Logger;
  /** For tests: the least pause, milliseconds. */
  readonly soonMs?: number;
}

/** Looks until it is told to stop; what fails is logged and tried again. */
export async function buildOverdueEdges(
  { client, database, log, soonMs = SOON_MS }: EdgeBuildsOptions,
  signal: AbortSignal,
): Promise<void> {
  const edges: EdgeDatabase = {
    async rows<Row>(query: string) {
      const answer = await client.query({ query, format: 'JSONEachRow' });
      return answer.json<Row>();
    },
    async build(query, settings) {
      await client.command({ query, clickhouse_settings: settings, abort_signal: signal });
    },
  };
  let pauseMs = soonMs;
  while (!signal.aborted) {
    // Collectors that began together do not look together.
    await wait(pauseMs * (0.75 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const built = await buildEdges(edges, { database, patienceS: PATIENCE_S, signal });
      pauseMs = built > 0 ? soonMs : Math.min(2 * pauseMs, SELDOM_MS);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, 'FLOW_COLLECTOR_EDGES: edges were not built; it is tried again');
    }
  }
}
