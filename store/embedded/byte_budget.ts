/** Keeps the tables within the byte budget: the oldest partitions go first, over all tables, and that is noted. */
import { quoteName, quoteText } from '../ddl.ts';
import { EXPIRATIONS } from '../expirations.ts';
import type { Engine } from './engine.ts';

/** A partition as system.parts has it. */
interface Partition {
  readonly table: string;
  readonly partition_id: string;
  readonly bytes: string;
  readonly rows: string;
  /** Latest time of its rows, ns since the epoch. */
  readonly until: string;
}

/** What one look has deleted. */
export interface Expired {
  readonly table: string;
  readonly bytes: number;
  readonly rows: number;
}

/**
 * Deletes the oldest partitions until the rest fits. Partitions without times (endpoints) stay.
 * @param budget bytes on disk for all tables of the database
 * @returns what was deleted, oldest first
 */
export async function keepByteBudget(engine: Engine, database: string, budget: number): Promise<Expired[]> {
  const partitions = await engine.rows<Partition>(
    `SELECT table, partition_id, sum(bytes_on_disk) AS bytes, sum(rows) AS rows,
       toInt64(greatest(max(toInt64(toUnixTimestamp(max_time))), toInt64(toUnixTimestamp(max(max_date))))) * 1000000000 AS until
     FROM system.parts WHERE active AND database = ${quoteText(database)} GROUP BY table, partition_id ORDER BY until, table`,
  );
  let total = partitions.reduce((sum, { bytes }) => sum + Number(bytes), 0);
  const expired: Expired[] = [];
  for (const { table, partition_id, bytes, rows, until } of partitions) {
    if (total <= budget) break;
    if (Number(until) <= 0) continue;
    // Noted first: an answer may say too early that rows are gone, never too late.
    await note(engine, database, table, { until, bytes, rows });
    await engine.run({
      sql: `ALTER TABLE ${quoteName(database)}.${quoteName(table)} DROP PARTITION ID ${quoteText(partition_id)}`,
      role: 'upkeep',
    });
    total -= Number(bytes);
    expired.push({ table, bytes: Number(bytes), rows: Number(rows) });
  }
  return expired;
}

async function note(
  engine: Engine,
  database: string,
  table: string,
  { until, bytes, rows }: Pick<Partition, 'until' | 'bytes' | 'rows'>,
): Promise<void> {
  const values = `(${quoteText(table)}, fromUnixTimestamp64Nano(${until} + 1000000000), ${bytes}, ${rows})`;
  const names = EXPIRATIONS.columns.map(({ name }) => name).join(', ');
  await engine.run({
    sql: `INSERT INTO ${quoteName(database)}.${EXPIRATIONS.name} (${names}) VALUES ${values}`,
    role: 'upkeep',
    settings: { insert_deduplicate: '0' },
  });
}
