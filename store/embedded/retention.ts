/** Days to keep rows where the configuration says other than tables.ts. */
import { quoteName, quoteText, ttlSql } from '../ddl.ts';
import { FlowspanError } from '../errors.ts';
import { SCHEMA } from '../schema.ts';
import type { Engine } from './engine.ts';

/**
 * Gives tables the TTL the configuration wants; leaves alone those that have it and those that are not there yet.
 * @param days by table name; 0 keeps rows
 * @throws FlowspanError FLOW_STORE_RETENTION for a table that does not exist
 */
export async function applyRetention(
  engine: Engine,
  database: string,
  days: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [name, ttlDays] of Object.entries(days)) {
    const table = SCHEMA.tables.find((candidate) => candidate.name === name);
    if (table === undefined) {
      const names = SCHEMA.tables.map((candidate) => candidate.name).join(', ');
      throw new FlowspanError(
        'FLOW_STORE_RETENTION',
        `store.retention_days names ${name}, which is no table: use ${names}`,
      );
    }
    const [present] = await engine.rows<{ engine_full: string }>(
      `SELECT engine_full FROM system.tables WHERE database = ${quoteText(database)} AND name = ${quoteText(name)}`,
    );
    if (present === undefined) continue;
    const wanted = ttlSql({ ...table, ttlDays });
    const has = / TTL (.*?)(?: SETTINGS .*)?$/s.exec(present.engine_full)?.[1];
    if (has === wanted) continue;
    const change = wanted === undefined ? 'REMOVE TTL' : `MODIFY TTL ${wanted}`;
    await engine.run({ sql: `ALTER TABLE ${quoteName(database)}.${quoteName(name)} ${change}`, role: 'upkeep' });
  }
}
