/** Counts what becomes of rows behind the data path, by the kind of record that they were made of. */
import { FLOWS, LOSSES, REQUESTS, TCP_EVENTS, VERDICTS } from '../../store/tables.ts';
import { type Counters, type Discard, type RecordKind, rowLossReason } from './counters.ts';
import type { Delivery, DeliveryOptions } from './deliver/delivery.ts';
import type { Losses } from './deliver/losses.ts';
import { LATENESS_NS } from './reporter.ts';

const TABLES = { flow: FLOWS, tcp_event: TCP_EVENTS, request: REQUESTS } as const;
const LATENESS_MS = Number(LATENESS_NS / 1_000_000n);
const KINDS: Readonly<Record<string, RecordKind>> = Object.fromEntries(
  Object.entries(TABLES).map(([kind, { name }]) => [name, kind as RecordKind]),
);

/** Rows in memory and spool, by kind of record. */
export function rowsWaiting(delivery: Pick<Delivery, 'rowsWaiting'>): Record<string, number> {
  return Object.fromEntries(Object.entries(TABLES).map(([kind, table]) => [kind, delivery.rowsWaiting(table)]));
}

/** What a delivery tells of its rows. Rows of other tables tell of these, and are none of the records counted. */
export function rowFates(counters: Counters, losses: Losses): Pick<DeliveryOptions, 'stored' | 'leftOver' | 'lost'> {
  return {
    stored(table, rows) {
      const kind = KINDS[table];
      if (kind !== undefined) counters.kinds[kind].stored += rows;
    },
    leftOver(table, rows) {
      const kind = KINDS[table];
      if (kind !== undefined) counters.kinds[kind].left_over += rows;
    },
    lost(table: string, rows: number, discard: Discard, fromMs?: number, toMs?: number) {
      counters.discard(discard, rows);
      const kind = KINDS[table];
      const reason = rowLossReason(discard);
      const beganMs = fromMs === undefined ? undefined : fromMs - LATENESS_MS;
      // What these rows told of is not known any more, nor how much it was: the time is marked.
      if (table === LOSSES.name) losses.add('all', reason, 0, beganMs, toMs);
      // A row tells of many verdicts.
      if (table === VERDICTS.name) losses.add('verdict', reason, 0, beganMs, toMs);
      if (kind === undefined) return;
      counters.kinds[kind][`lost_${reason}`] += rows;
      losses.add(kind, reason, rows, beganMs, toMs);
    },
  };
}
