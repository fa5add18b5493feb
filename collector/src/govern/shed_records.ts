/** What was shed since the start, by kind and reason. These were not lost: they were counted, and left out on purpose. */
import type { ShedReason } from '../../../store/loss_reasons.ts';
import type { Counters } from '../counters.ts';

/** Kinds of records that are shed. */
export const SHED_KINDS = ['request', 'tcp_event'] as const;
export interface ShedRecords {
  readonly request: Readonly<Record<ShedReason, number>>;
  readonly tcp_event: Readonly<Record<ShedReason, number>>;
}

const of = ({ kinds }: Pick<Counters, 'kinds'>, kind: (typeof SHED_KINDS)[number]) => ({
  governor: kinds[kind].aggregated,
  noisy_cgroup: kinds[kind].shed,
});

export const shedRecords = (counters: Pick<Counters, 'kinds'>): ShedRecords => ({
  request: of(counters, 'request'),
  tcp_event: of(counters, 'tcp_event'),
});

/** By how much they grew. */
export function shedGrowth(before: ShedRecords, now: ShedRecords): ShedRecords {
  const growth = (kind: (typeof SHED_KINDS)[number]) => ({
    governor: now[kind].governor - before[kind].governor,
    noisy_cgroup: now[kind].noisy_cgroup - before[kind].noisy_cgroup,
  });
  return { request: growth('request'), tcp_event: growth('tcp_event') };
}
