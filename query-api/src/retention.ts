/** How long rows are kept, and up to when they are gone. */
import type { StoredTable } from '../../store/tables.ts';
import { retentionSql } from './sql/completeness.ts';
import type { Store } from './store.ts';
import { latest, wallClock } from './time.ts';

const DAY_NS = 86_400_000_000_000n;

/** How long rows of a table are kept. */
interface Retention {
  /** Days; 0 for ever. */
  readonly days: number;
  /** Rows before this were deleted earlier, for want of room; nanoseconds since the epoch. */
  readonly deletedBefore: bigint;
  /** When this is to be read anew, on the clock of performance.now(). */
  readonly until: number;
}

/** What was read of each store's tables: pages and polls follow each other quickly, retention does not change so fast. */
const retentions = new WeakMap<Store, Map<string, Retention>>();
const RETENTION_MS = 10_000;

/** Rows of the table before this have expired; nanoseconds since the epoch. */
export async function expiredBefore(store: Store, table: StoredTable, signal?: AbortSignal): Promise<bigint> {
  const known = retentions.get(store) ?? new Map<string, Retention>();
  retentions.set(store, known);
  let retention = known.get(table.name);
  if (retention === undefined || retention.until < performance.now()) {
    const [row] = await store.rows(retentionSql(table), signal);
    retention = {
      days: Number(/toIntervalDay\((\d+)\)/.exec(String(row?.engine_full ?? ''))?.[1] ?? 0),
      deletedBefore: BigInt(String(row?.deleted_before ?? 0)),
      until: performance.now() + RETENTION_MS,
    };
    known.set(table.name, retention);
  }
  const byDays = retention.days === 0 ? 0n : wallClock() - BigInt(retention.days) * DAY_NS;
  return latest([byDays, retention.deletedBefore]);
}
