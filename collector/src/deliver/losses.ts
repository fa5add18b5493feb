/** What Flowspan failed to record, gathered by kind and reason until the next report makes rows of it. */

import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { isShed, ROW_LOSS_REASONS, SHED_REASONS } from '../../../store/loss_reasons.ts';
import { type Counters, DISCARD_REASONS, RECORD_KINDS, type RecordKind } from '../counters.ts';
import { SHED_KINDS, shedRecords } from '../govern/shed_records.ts';
import type { Kernel } from '../kernel.ts';

/** One row of table `losses`, without its scope. */
export interface Loss {
  readonly kind: RecordKind | 'verdict' | 'all';
  readonly reason: string;
  readonly count: number;
  /** Between when it happened, milliseconds since the epoch; undefined: since the last report, until now. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** What a kernel discard reason takes away. */
const KINDS_OF_REASONS: Readonly<Record<string, RecordKind>> = {
  socket_storage: 'flow',
  udp_flows_full: 'flow',
  drop_event_limit: 'tcp_event',
};

/**
 * The kernel skips a program that is running on that CPU already. Each such run is counted as an event, though some would
 * have written none; what the program would have counted as wanted is not among `wanted` either.
 */
const PROGRAM_SKIPPED = 'program_skipped';

/** Gathers losses. */
export class Losses {
  readonly #counters: Counters;
  readonly #waiting = new Map<string, Loss>();
  readonly #told = new Map<string, number>();
  /** Since the start, by kind and reason. */
  readonly #totals = new Map<string, Loss>();
  #malformed = 0;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Something was lost; where known, of when, milliseconds since the epoch. */
  add(kind: Loss['kind'], reason: string, count: number, fromMs?: number, toMs?: number): void {
    const key = keyOf(kind, reason);
    const waiting = this.#waiting.get(key);
    this.#waiting.set(key, { kind, reason, count: count + (waiting?.count ?? 0), ...joint(waiting, fromMs, toMs) });
    this.#totals.set(key, { kind, reason, count: count + (this.#totals.get(key)?.count ?? 0) });
  }

  /** Reads the kernel's counters; what grew since the last time was lost. */
  readKernel(kernel: Kernel): void {
    const malformed = kernel.malformedRecords();
    this.#counters.discard('ring_record_malformed', malformed - this.#malformed);
    this.#malformed = malformed;
    for (const kind of RECORD_KINDS) {
      const { wanted, lostRingFull, shed } = kernel.recordCount(ENUMS.record_kind[kind]);
      this.#counters.kinds[kind].wanted = wanted;
      this.#counters.kinds[kind].lost_ring_full = lostRingFull;
      this.#counters.kinds[kind].shed = shed;
      this.#addGrowth(kind, 'ring_full', lostRingFull);
    }
    this.#addGrowth('tcp_event', PROGRAM_SKIPPED, kernel.skippedEvents());
    for (const kind of SHED_KINDS) {
      for (const reason of SHED_REASONS) this.#addGrowth(kind, reason, shedRecords(this.#counters)[kind][reason]);
    }
    for (const [reason, number] of DISCARD_REASONS) {
      const total = kernel.discardCount(number);
      this.#counters.setKernelDiscard(reason, total);
      this.#addGrowth(KINDS_OF_REASONS[reason] ?? 'request', reason, total);
    }
  }

  /** What was lost since the last call. */
  take(): Loss[] {
    const losses = [...this.#waiting.values()];
    this.#waiting.clear();
    return losses;
  }

  /** What was lost since the start, not what was shed, with 0 for each reason there is. */
  totals(): Loss[] {
    const none: Loss[] = [
      ...RECORD_KINDS.map((kind) => ({ kind, reason: 'ring_full', count: 0 })),
      { kind: 'tcp_event', reason: PROGRAM_SKIPPED, count: 0 },
      ...DISCARD_REASONS.map(
        ([reason]) => ({ kind: KINDS_OF_REASONS[reason] ?? 'request', reason, count: 0 }) as const,
      ),
      ...(['flow', 'tcp_event', 'request'] as const).flatMap((kind) =>
        ROW_LOSS_REASONS.map((reason) => ({ kind, reason, count: 0 })),
      ),
    ];
    const lost = new Map(none.map((loss) => [keyOf(loss.kind, loss.reason), loss]));
    for (const [key, loss] of this.#totals) if (!isShed(loss.reason)) lost.set(key, loss);
    return [...lost.values()];
  }

  #addGrowth(kind: RecordKind, reason: string, total: number): void {
    const key = keyOf(kind, reason);
    const growth = total - (this.#told.get(key) ?? 0);
    this.#told.set(key, total);
    if (growth > 0) this.add(kind, reason, growth);
  }
}

/** The time of a loss, and of another one like it if there is one. */
function joint(loss: Loss | undefined, fromMs: number | undefined, toMs: number | undefined) {
  const from =
    loss?.fromMs === undefined || fromMs === undefined ? (loss?.fromMs ?? fromMs) : Math.min(loss.fromMs, fromMs);
  const isOpen = toMs === undefined || (loss !== undefined && loss.toMs === undefined);
  return {
    ...(from === undefined ? {} : { fromMs: from }),
    ...(isOpen ? {} : { toMs: Math.max(loss?.toMs ?? toMs, toMs) }),
  };
}

const keyOf = (kind: Loss['kind'], reason: string): string => `${kind} ${reason}`;
