/** Builds the minutes and hours of edges that have passed and changed, every BUILD_INTERVAL_MS. */
import type pino from 'pino';
import { buildEdges } from '../build_edges.ts';
import { EDGE_HOURS } from '../edge_hours.ts';
import type { Engine } from './engine.ts';
import type { StoreMetrics } from './metrics.ts';
import { hasTable } from './table_sizes.ts';

const BUILD_INTERVAL_MS = 30_000;

/** Runs until stopped; what fails is logged and tried again. */
export function startEdgeBuilder(
  engine: Engine,
  database: string,
  metrics: StoreMetrics,
  logger: pino.Logger,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let running = Promise.resolve();
  let migrated = false;
  const look = () => {
    running = running
      .then(async () => {
        migrated ||= await hasTable(engine, database, EDGE_HOURS.name);
        if (migrated) await once(engine, database, metrics, stopping.signal);
      })
      .catch((cause: Error) => {
        if (stopping.signal.aborted) return;
        logger.error({ err: cause }, 'FLOW_STORE_EDGES: edges were not built; it is tried again');
      });
  };
  const timer = setInterval(look, BUILD_INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      stopping.abort();
      return running;
    },
  };
}

async function once(engine: Engine, database: string, metrics: StoreMetrics, signal: AbortSignal): Promise<void> {
  const edges = {
    rows: <Row>(sql: string) => engine.rows<Row>(sql),
    async build(sql: string, settings: Readonly<Record<string, string>>) {
      await engine.run({ sql, role: 'upkeep', settings, signal });
    },
  };
  await buildEdges(edges, { database, patienceS: 0, behind: (seconds) => metrics.edgesBehind(seconds), signal });
}
