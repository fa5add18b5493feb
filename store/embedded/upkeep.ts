/**
 * What the store does by itself, every UPKEEP_INTERVAL_MS: byte budget, retention, and measuring its tables. Each of its
 * statements takes milliseconds, however little there is.
 */
import type pino from 'pino';
import type { Config } from '../../collector/src/config.ts';
import { EXPIRATIONS } from '../expirations.ts';
import { keepByteBudget } from './byte_budget.ts';
import type { Engine } from './engine.ts';
import type { StoreMetrics } from './metrics.ts';
import { applyRetention } from './retention.ts';
import { engineMemoryBytes, hasTable, tableSizes } from './table_sizes.ts';

const UPKEEP_INTERVAL_MS = 30_000;
/** Until the tables are there. */
const UNTIL_MIGRATED_MS = 5_000;

/** Runs until stopped; what fails is logged and tried again. */
export function startUpkeep(
  engine: Engine,
  config: Config,
  metrics: StoreMetrics,
  logger: pino.Logger,
): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let migrated = false;
  const look = async () => {
    try {
      migrated ||= await hasTable(engine, config.clickhouse.database, EXPIRATIONS.name);
      if (migrated) await once(engine, config, metrics, logger);
      metrics.upkept(true);
    } catch (cause) {
      metrics.upkept(false);
      logger.error({ err: cause }, 'FLOW_STORE_UPKEEP: upkeep failed; it is tried again');
    }
    if (stopped) return;
    timer = setTimeout(
      () => {
        running = look();
      },
      migrated ? UPKEEP_INTERVAL_MS : UNTIL_MIGRATED_MS,
    );
  };
  let running = look();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
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
  await applyRetention(engine, database, store.retention_days);
  const expired = await keepByteBudget(engine, database, store.byte_budget);
  metrics.expired(expired);
  metrics.measured(await tableSizes(engine, database), await engineMemoryBytes(engine));
  for (const { table, bytes, rows } of expired) {
    logger.info({ table, bytes, rows, byte_budget: store.byte_budget }, 'oldest partition deleted: byte budget spent');
  }
}
