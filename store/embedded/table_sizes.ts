/** Which tables there are, and how much each holds, as system.tables has it. */
import { quoteText } from '../ddl.ts';
import type { Engine } from './engine.ts';

/** What one table holds. */
export interface TableSize {
  readonly table: string;
  readonly rows: number;
  /** On disk. */
  readonly bytes: number;
  /** Data parts that are in use. */
  readonly parts: number;
}

/** Whether there is such a table. */
export async function hasTable(engine: Engine, database: string, name: string): Promise<boolean> {
  const found = await engine.rows(
    `SELECT 1 FROM system.tables WHERE database = ${quoteText(database)} AND name = ${quoteText(name)}`,
  );
  return found.length > 0;
}

/** Sizes of all tables of a database that keep rows. */
export async function tableSizes(engine: Engine, database: string): Promise<TableSize[]> {
  const found = await engine.rows<Record<'table' | 'rows' | 'bytes' | 'parts', string>>(
    `SELECT name AS table, total_rows AS rows, total_bytes AS bytes, active_parts AS parts FROM system.tables
     WHERE database = ${quoteText(database)} AND engine LIKE '%MergeTree' ORDER BY name`,
  );
  return found.map(({ table, rows, bytes, parts }) => ({
    table,
    rows: Number(rows),
    bytes: Number(bytes),
    parts: Number(parts),
  }));
}

/** Bytes of memory that the engine counts as its own. */
export async function engineMemoryBytes(engine: Engine): Promise<number> {
  const [found] = await engine.rows<{ value: string }>(
    "SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'",
  );
  return Number(found?.value ?? 0);
}
