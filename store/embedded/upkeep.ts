/** What the store does by itself, every UPKEEP_INTERVAL_MS: byte budget, retention, and measuring its tables. */
import type pino from 'pino';
import type { Config } from '../../collector/src/config.ts';
import { quoteText } from '../ddl.ts';
import { EXPIRATIONS } from '../expirations.ts';
import { keepByteBudget } from './byte_budget.ts';
import type { Engine } from './engine.ts';
import type { StoreMetrics } from './metrics.ts';
import { applyRetention } from './retention.ts';
import { engineMemoryBytes, tableSizes } from './table_sizes.ts';

const UPKEEP_INTERVAL_MS = 10_000;

/** Runs until stopped; what fails is logged and tried again. */
export function startUpkeep(
  engine: Engine,
  config: Config,
  metrics: StoreMetrics,
  logger: pino.Logger,
): { stop(): Promise<void> } {
  let running = Promise.resolve();
  const look = () => {
    running = running
      .then(() => once(engine, config, metrics, logger))
      .then(() => metrics.upkept(true))
      .catch((cause: Error) => {
        metrics.upkept(false);
        logger.error({ err: cause }, 'FLOW_STORE_UPKEEP: upkeep failed; it is tried again');
      });
  };
  const timer = setInterval(look, UPKEEP_INTERVAL_MS);
  look();
  return {
    stop() {
      clearInterval(timer);
      return running;
    },
  };
}

async function once(
  engine: Engine,
  { clickhouse, store }: Config,
  metrics: StoreMetrics,
  logger: pino.Logger,
): Promise<void> {
  const { database } = clickhouse;
  const [migrated] = await engine.rows(
    `SELECT 1 FROM system.tables WHERE database = ${quoteText(database)} AND name = '${EXPIRATIONS.name}'`,
  );
  if (migrated === undefined) return;
  await applyRetention(engine, database, store.retention_days);
  const expired = await keepByteBudget(engine, database, store.byte_budget);
  metrics.expired(expired);
  metrics.measured(await tableSizes(engine, database), await engineMemoryBytes(engine));
  for (const { table, bytes, rows } of expired) {
    logger.info({ table, bytes, rows, byte_budget: store.byte_budget }, 'oldest partition deleted: byte budget spent');
  }
}
