/** From when until when one pod had one address: its node's own bounds where it saw them, else the API server's. */
import type { Bounds } from './claims.ts';
import type { PodCgroupTimes } from './pod_cgroups.ts';

/** `valid_to` and `sure_to` of what still holds: 2262-01-01, nanoseconds since the epoch. */
export const OPEN_NS = BigInt(Date.UTC(2262, 0, 1)) * 1_000_000n;

/**
 * Bounds as table `endpoint_addresses` has them, nanoseconds since the epoch. `validFromNs` ≤ `sureFromNs` and
 * `sureToNs` ≤ `validToNs`; where `sureToNs` ≤ `sureFromNs` the address was never the pod's for sure.
 */
export interface OwnInterval {
  /** Whether a bound is the node's own. */
  readonly isNodes: boolean;
  readonly validFromNs: bigint;
  readonly sureFromNs: bigint;
  readonly sureToNs: bigint;
  readonly validToNs: bigint;
}

/** What an interval follows from. */
export interface IntervalFacts {
  /** As the API server told. */
  readonly api: Bounds;
  /** Undefined where the pod's cgroups were not seen, or say nothing of this address: it was not the pod's first. */
  readonly cgroups: PodCgroupTimes | undefined;
  /** The address was taken from the pod while it lived on. */
  readonly isReplaced: boolean;
  /** As it was told before: where it begins never moves, and what the node saw of its beginning stands. */
  readonly told: Pick<OwnInterval, 'isNodes' | 'validFromNs' | 'sureFromNs'> | undefined;
}

export function ownInterval({ api, cgroups, isReplaced, told }: IntervalFacts): OwnInterval {
  const validFromNs = told?.validFromNs ?? cgroups?.madeNs ?? nanoseconds(api.from);
  const end = cgroups === undefined || isReplaced ? apiEnd(api) : cgroupEnd(api, cgroups);
  const validToNs = latest(end.validToNs, validFromNs);
  const apiSureNs = told?.isNodes ? OPEN_NS : nanoseconds(api.sure);
  const sureNs = cgroups?.ranNs ?? earliest(apiSureNs, told?.sureFromNs ?? OPEN_NS);
  return {
    isNodes: told?.isNodes || cgroups?.madeNs !== undefined || (cgroups?.removedNs !== undefined && !isReplaced),
    validFromNs,
    sureFromNs: earliest(latest(sureNs, validFromNs), validToNs),
    sureToNs: earliest(end.sureToNs, validToNs),
    validToNs,
  };
}

interface End {
  readonly sureToNs: bigint;
  readonly validToNs: bigint;
}

function apiEnd({ left, to }: Bounds): End {
  return { sureToNs: nanoseconds(left), validToNs: nanoseconds(to) };
}

/** While its cgroup is there, a pod that was deleted by force has its address still. */
function cgroupEnd(api: Bounds, { emptyNs, removedNs }: PodCgroupTimes): End {
  if (removedNs === undefined) return { sureToNs: emptyNs ?? OPEN_NS, validToNs: OPEN_NS };
  const isLeft = api.left !== Number.POSITIVE_INFINITY;
  return { sureToNs: emptyNs ?? nanoseconds(isLeft ? api.left : api.sure), validToNs: removedNs };
}

/** From which time on who had an address may be told differently after a change. */
export function changedFrom(before: OwnInterval | undefined, now: OwnInterval): bigint {
  if (before === undefined) return now.validFromNs;
  let fromNs = OPEN_NS;
  for (const bound of ['validFromNs', 'sureFromNs', 'sureToNs', 'validToNs'] as const) {
    if (before[bound] !== now[bound]) fromNs = earliest(fromNs, earliest(before[bound], now[bound]));
  }
  return fromNs;
}

function nanoseconds(ms: number): bigint {
  return ms === Number.POSITIVE_INFINITY ? OPEN_NS : BigInt(Math.round(ms * 1000)) * 1000n;
}

function earliest(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function latest(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
