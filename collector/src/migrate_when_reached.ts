/** Brings the database to this version's tables as soon as ClickHouse can be reached. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import { migrateCluster } from '../../store/cluster.ts';
import { migrate } from '../../store/migrate.ts';
import type { Config } from './config.ts';

const AGAIN_MS = 2000;

/**
 * Tries until it is done: on one server, or on the cluster that is named.
 * @param client one that names no database: there may be none yet; closed at the end
 * @returns whether it was done; false when told to stop before
 */
export async function migrateWhenReached(
  client: ClickHouseClient,
  { database, cluster }: Config['clickhouse'],
  log: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    while (!signal.aborted) {
      try {
        if (cluster === '') await migrate(client, database);
        else await migrateCluster(client, database, cluster);
        return true;
      } catch (error) {
        log.warn({ err: error, retry_in_ms: AGAIN_MS }, 'ClickHouse cannot be used yet: rows wait in the spool');
      }
      await wait(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
    return false;
  } finally {
    await client.close();
  }
}
