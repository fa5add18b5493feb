/**
 * The identity that `flowspan audit` demands: every record that the kernel wanted to write is stored, aggregated, lost
 * for a reason, or on its way. Pure: from one collector's counters (collector/src/counters.ts).
 */
import { ROW_LOSS_REASONS } from '../../store/loss_reasons.ts';

/** Kinds of records with a table of their own, which the store can count. */
export const STORED_KINDS = ['flow', 'tcp_event', 'request'] as const;
/** Kinds of records. Cgroup records become knowledge, not rows. */
export const RECORD_KINDS = [...STORED_KINDS, 'cgroup'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** Counts of one kind by name, as a collector's report and its /status have them. */
export type Counts = Readonly<Record<string, number>>;

/** Reasons for which rows are lost before there is a row. */
const BEFORE_ROW: ReadonlySet<string> = new Set(['memory_full', 'too_large']);

/** Where the records of one kind are. Each number is a count of records. */
export interface Fates {
  readonly wanted: number;
  readonly stored: number;
  /** Of `stored` and on its way, what an earlier run left in the spool: no record of this run. */
  readonly left_over: number;
  readonly aggregated: number;
  /** Not written in the kernel, on purpose. */
  readonly shed: number;
  /** Read, and damaged. */
  readonly discarded: number;
  /** By reason; reasons without any are left out. */
  readonly lost: Readonly<Record<string, number>>;
  readonly in_rings: number;
  readonly held: number;
  /** Rows in memory and spool. */
  readonly waiting: number;
  /** What is missing or too much between any two of its stages; 0 if the identity holds. */
  readonly difference: number;
}

/** What is on its way, measured where it is: without it a difference would pass for it. */
export interface InFlight {
  /** Whether records may be in the rings: then what was wanted and not read is there. */
  readonly ringsHold: boolean;
  /** Rows that wait in memory and spool; undefined if nobody counted them: then what is not accounted for waits. */
  readonly waiting: number | undefined;
}

/** Rows lost after they were written. */
export function lostRows(counts: Counts): number {
  const reasons = ROW_LOSS_REASONS.filter((reason) => !BEFORE_ROW.has(reason));
  return reasons.reduce((sum, reason) => sum + (counts[`lost_${reason}`] ?? 0), 0);
}

/** Rows of a run that are neither stored nor lost, earlier runs' included. */
export function rowsWaiting(counts: Counts): number {
  return (counts.rows ?? 0) + (counts.left_over ?? 0) - (counts.stored ?? 0) - lostRows(counts);
}

/** Where the records of one kind are. */
export function fatesOf(counts: Counts, { ringsHold, waiting: measured }: InFlight): Fates {
  const of = (name: string) => counts[name] ?? 0;
  const reasons = ['ring_full', ...ROW_LOSS_REASONS];
  const lost = Object.fromEntries(
    reasons.map((reason) => [reason, of(`lost_${reason}`)] as const).filter(([, count]) => count > 0),
  );
  const notRead = of('wanted') - of('lost_ring_full') - of('shed') - of('read');
  const lostBefore = [...BEFORE_ROW].reduce((sum, reason) => sum + of(`lost_${reason}`), 0);
  const notRows = of('read') - of('held') - of('discarded') - of('aggregated') - lostBefore - of('rows');
  const notStored = rowsWaiting(counts);
  const in_rings = ringsHold ? Math.max(0, notRead) : 0;
  const waiting = measured ?? Math.max(0, notStored);
  const { wanted = 0, stored = 0, left_over = 0, aggregated = 0, shed = 0, discarded = 0, held = 0 } = counts;
  return {
    ...{ wanted, stored, left_over, aggregated, shed, discarded, lost, in_rings, held, waiting },
    // of each stage by itself: what one stage has too much, another may have too little
    difference: Math.abs(notRead - in_rings) + Math.abs(notRows) + Math.abs(notStored - waiting),
  };
}

/** Counts of one kind out of a report's `<kind>.<count>`. */
export function countsOf(counters: Readonly<Record<string, unknown>>, kind: RecordKind): Counts {
  const entries = Object.entries(counters).filter(([name]) => name.startsWith(`${kind}.`));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(kind.length + 1), Number(value)]));
}
