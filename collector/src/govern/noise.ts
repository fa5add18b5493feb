/**
 * Who is noisy. A request is recorded at each watched end: where both ends are on this node, the client's cgroup and the
 * server's bring equally many. So shares are of what one observation point shows.
 */
import { CGROUPS_BEYOND } from './cgroup_loads.ts';

/** What one cgroup brought of one kind at one end of connections since the last measurement. */
export interface CgroupLoad {
  readonly cgroup: bigint;
  readonly kind: 'request' | 'tcp_event';
  /** Number in `ENUMS.observation_point`. */
  readonly observationPoint: number;
  /** Records that were read. */
  readonly taken: number;
  /** Those that they stand for: what would have been read without a throttle, as far as known. */
  readonly offered: number;
}

/** A cgroup that brought something counts as a neighbour for so long. */
const NEIGHBOUR_MS = 60_000;
/** One more than observation points: whoever stands out at each of them, there is a neighbour left if there is any. */
const REMEMBERED = 4;

/** Remembers who brought something lately. */
export class Noise {
  #lately: { readonly cgroup: bigint; readonly ms: number }[] = [];

  /** Takes the loads of a measurement. */
  saw(loads: readonly CgroupLoad[], nowMs: number): void {
    const now = [...new Set(loads.map(({ cgroup }) => cgroup))].slice(0, REMEMBERED);
    const before = this.#lately.filter(({ cgroup, ms }) => nowMs - ms <= NEIGHBOUR_MS && !now.includes(cgroup));
    this.#lately = [...now.map((cgroup) => ({ cgroup, ms: nowMs })), ...before].slice(0, REMEMBERED);
  }

  /**
   * Those that stand out at an observation point while others bring something too, and what each brings; most first.
   * @param share of what its observation point shows; of all records half of that, as the other end may bring the same
   */
  noisy(loads: readonly CgroupLoad[], share: number): { readonly cgroup: bigint; readonly taken: number }[] {
    const all = takenOf(loads);
    const found = new Set<bigint>();
    for (const point of new Set(loads.map(({ observationPoint }) => observationPoint))) {
      const here = loads.filter(({ observationPoint }) => observationPoint === point);
      const [first] = byCgroup(here);
      if (first !== undefined && first.taken > share * takenOf(here)) found.add(first.cgroup);
    }
    const noisy = byCgroup(loads).filter(
      ({ cgroup, taken }) => found.has(cgroup) && cgroup !== CGROUPS_BEYOND && taken > (share / 2) * all,
    );
    const hasNeighbour = this.#lately.some(({ cgroup }) => noisy.every((one) => one.cgroup !== cgroup));
    return hasNeighbour ? noisy : [];
  }
}

const takenOf = (loads: readonly CgroupLoad[]) => loads.reduce((sum, { taken }) => sum + taken, 0);

/** What each cgroup brings, most first. */
function byCgroup(loads: readonly CgroupLoad[]): { readonly cgroup: bigint; readonly taken: number }[] {
  const sums = new Map<bigint, number>();
  for (const { cgroup, taken } of loads) sums.set(cgroup, (sums.get(cgroup) ?? 0) + taken);
  return [...sums].map(([cgroup, taken]) => ({ cgroup, taken })).toSorted((a, b) => b.taken - a.taken);
}
