/** What the collector counts, from the first record on. Every place that discards a fact has its own name here. */
import { ENUMS } from '../../bpf/wire/events.gen.ts';
import { ROW_LOSS_REASONS, type RowLossReason } from '../../store/loss_reasons.ts';

/** Kinds of records that become rows or knowledge. */
export const RECORD_KINDS = ['flow', 'tcp_event', 'request', 'cgroup'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** Why the collector itself discarded a fact. */
export const DISCARDS = [
  /** A record in a ring whose length made no sense. */
  'ring_record_malformed',
  /** Bytes of a drained region that make no record. */
  'record_bytes_malformed',
  /** A record of a kind that this version does not know. */
  'record_kind_unknown',
  /** A record shorter than its kind's fixed part. */
  'record_short',
  /** A row for which no memory was free, because the disk is slower than the rows. */
  'row_memory_full',
  /** A row larger than any memory for rows: an endpoint with absurd labels. */
  'row_too_large',
  /** A row given up for newer ones: beyond `collector.spool_bytes`, or too old. */
  'row_spool_dropped',
  /** A row in a spool file that is damaged. */
  'row_spool_damaged',
  /** A row that the disk did not take, and for which there was no more memory. */
  'row_write_failed',
  /** A row that ClickHouse refused for good. */
  'row_refused',
  /** A cgroup record whose path was cut, so that it names nothing. */
  'cgroup_path_cut',
  /** An endpoint beyond what is kept; its rows stay unresolved. */
  'endpoint_table_full',
  /** An address of a pod that found no room in the kernel's table: connections to it are not stamped with its pod. */
  'address_table_full',
  /** A write of a pod's address to the kernel that failed; it is tried again. */
  'address_write_failed',
  /** A process looked up too late: it was gone, and nothing told its name. */
  'process_gone',
  /** A process not looked up, because too many were in one look. */
  'process_lookup_limit',
  /** A service beyond those that rows can name; rows of its connections name none. */
  'service_table_full',
  /** A backend not asked for at connection tracking, because too many were in one look; the next record asks again. */
  'conntrack_lookup_limit',
  /** A backend that connection tracking gave no answer about. */
  'conntrack_lookup_failed',
  /** A row that a live feed client did not get. */
  'live_row_skipped',
] as const;
export type Discard = (typeof DISCARDS)[number];

/**
 * What happened to the records of one kind since the start. Each record has one fate, so that at any moment
 *
 *     wanted           = lost_ring_full + shed + (in the rings) + read
 *     read             = held + discarded + aggregated + lost_memory_full + lost_too_large + rows
 *     rows + left_over = stored + the other lost_… + (waiting in memory and spool)
 *
 * `flowspan audit` (query-api/src/audit/) checks it.
 */
export interface KindCounts extends Record<`lost_${RowLossReason}`, number> {
  /** The kernel wanted to write them. */
  wanted: number;
  /** Of these, lost in the kernel because the ring was full. */
  lost_ring_full: number;
  /** Of these, not written, because their cgroup is throttled; they are counted. */
  shed: number;
  /** Read from the rings. */
  read: number;
  /** Of these, waiting for what the next look tells about who is who. */
  held: number;
  /** Of these, damaged: too short, or not naming what they must. */
  discarded: number;
  /** Of these, counted in metrics or learned from, and given no row of their own on purpose. */
  aggregated: number;
  /** Rows written to batches. */
  rows: number;
  /** Rows that earlier runs had left in the spool when this one began. */
  left_over: number;
  /** Rows that ClickHouse acknowledged, those of earlier runs included. */
  stored: number;
  /** Rows of a time up to which a report had promised that all is stored. */
  late: number;
}

const NONE: Readonly<KindCounts> = {
  wanted: 0,
  lost_ring_full: 0,
  shed: 0,
  read: 0,
  held: 0,
  discarded: 0,
  aggregated: 0,
  lost_memory_full: 0,
  lost_too_large: 0,
  rows: 0,
  left_over: 0,
  stored: 0,
  lost_spool_dropped: 0,
  lost_spool_damaged: 0,
  lost_write_failed: 0,
  lost_refused: 0,
  late: 0,
};

/** Why rows are lost, of what the rows' way out discards. */
export function rowLossReason(discard: Discard): RowLossReason {
  const reason = ROW_LOSS_REASONS.find((one) => discard === `row_${one}`);
  if (reason === undefined) throw new Error(`${discard} loses no row`);
  return reason;
}

/** Why the kernel side discards facts: name and number. */
export const DISCARD_REASONS: readonly (readonly [string, number])[] = Object.entries(ENUMS.discard_reason).filter(
  ([name]) => name !== 'none' && name !== 'max',
);

/** All counts of one collector. Numbers are exact up to 2^53. */
export class Counters {
  readonly kinds: Readonly<Record<RecordKind, KindCounts>>;
  readonly discards: Readonly<Record<Discard, number>>;
  /** Facts the kernel side discarded, by its reason. */
  readonly kernelDiscards: Readonly<Record<string, number>>;
  readonly #discards: Record<Discard, number>;
  readonly #kernelDiscards: Record<string, number>;

  constructor() {
    this.kinds = { flow: { ...NONE }, tcp_event: { ...NONE }, request: { ...NONE }, cgroup: { ...NONE } };
    this.#discards = Object.fromEntries(DISCARDS.map((name) => [name, 0])) as Record<Discard, number>;
    this.discards = this.#discards;
    this.#kernelDiscards = Object.fromEntries(DISCARD_REASONS.map(([name]) => [name, 0]));
    this.kernelDiscards = this.#kernelDiscards;
  }

  discard(what: Discard, count = 1): void {
    this.#discards[what] += count;
  }

  /** Takes the kernel's totals. */
  setKernelDiscard(reason: string, total: number): void {
    this.#kernelDiscards[reason] = total;
  }

  /** Records of all kinds read from the rings. */
  get recordsRead(): number {
    const { flow, tcp_event, request, cgroup } = this.kinds;
    return flow.read + tcp_event.read + request.read + cgroup.read;
  }

  /** What happened to one kind of record; `lost` wherever it was. */
  of(kind: RecordKind): Readonly<KindCounts & { lost: number }> {
    const counts = this.kinds[kind];
    const lostRows = ROW_LOSS_REASONS.reduce((sum, reason) => sum + counts[`lost_${reason}`], 0);
    return { ...counts, lost: counts.lost_ring_full + lostRows };
  }

  /**
   * All counts by name: `<kind>.<count>`, `discard.<reason>`, `kernel_discard.<reason>`, and `run.ended`.
   * @param ended whether nothing will be counted any more
   */
  flat(ended = false): Record<string, number> {
    const out: Record<string, number> = { 'run.ended': ended ? 1 : 0 };
    for (const kind of RECORD_KINDS) {
      for (const [name, value] of Object.entries(this.of(kind))) out[`${kind}.${name}`] = value;
    }
    for (const [name, value] of Object.entries(this.#discards)) out[`discard.${name}`] = value;
    for (const [name, value] of Object.entries(this.#kernelDiscards)) out[`kernel_discard.${name}`] = value;
    return out;
  }
}
