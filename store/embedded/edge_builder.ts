/** Builds the minutes of edges_1m that have passed and changed, every BUILD_INTERVAL_MS. */
import type pino from 'pino';
import { quoteText } from '../ddl.ts';
import {
  BUILD_SETTINGS,
  buildSql,
  dirtyMinutesSql,
  EDGE_HOLD_BACK_S,
  nextMinutes,
  TOUCHED_MINUTES,
} from '../edge_builds.ts';
import type { Engine } from './engine.ts';
import type { StoreMetrics } from './metrics.ts';

const BUILD_INTERVAL_MS = 30_000;
/** Most builds one after the other; what is left waits for the next look. */
const MOST_BUILDS = 20;

/** Runs until stopped; what fails is logged and tried again. */
export function startEdgeBuilder(
  engine: Engine,
  database: string,
  metrics: StoreMetrics,
  logger: pino.Logger,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let running = Promise.resolve();
  const look = () => {
    running = running
      .then(() => once(engine, database, metrics, stopping.signal))
      .catch((cause: Error) => {
        if (stopping.signal.aborted) return;
        logger.error({ err: cause }, 'FLOW_STORE_EDGES: edges_1m was not built; it is tried again');
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
  const [migrated] = await engine.rows(
    `SELECT 1 FROM system.tables WHERE database = ${quoteText(database)} AND name = '${TOUCHED_MINUTES.name}'`,
  );
  if (migrated === undefined) return;
  // A minute that something has just come in for stays dirty for a while after it was built: it is built once a look.
  const built = new Set<number>();
  for (let builds = 0; !signal.aborted; builds++) {
    const rows = await engine.rows<{ minute: number }>(dirtyMinutesSql(database));
    const dirty = rows.map(({ minute }) => minute).filter((minute) => !built.has(minute));
    metrics.edgesBehind(dirty[0] === undefined ? 0 : Date.now() / 1000 - (dirty[0] + 60 + EDGE_HOLD_BACK_S));
    if (dirty.length === 0 || builds === MOST_BUILDS) return;
    const minutes = nextMinutes(dirty);
    await engine.run({ sql: buildSql(database, minutes), role: 'upkeep', settings: BUILD_SETTINGS, signal });
    for (const minute of minutes) built.add(minute);
  }
}
