/**
 * When cgroups of pods and of their containers began and ended on this node, to the nanosecond of the kernel's event.
 * They tell how long a pod had its address: its network is there before its first container's cgroup, and is taken down
 * after its last container's cgroup is gone and before kubelet removes the pod's own. Events of one moment come in any
 * order, since each processor has a ring of its own: the times decide.
 */
import { podsOfCgroup } from '../cgroup_path.ts';
import type { CgroupChange } from '../identity.ts';

/** What was seen of one pod's cgroups. Times in nanoseconds since the epoch; undefined if not seen. */
export interface PodCgroupTimes {
  /** Where its own cgroup stands below the v2 mount. */
  readonly path: string;
  /** Its own cgroup was made. */
  readonly madeNs: bigint | undefined;
  /** The first container's cgroup was made. */
  readonly ranNs: bigint | undefined;
  /** The last container's cgroup was removed; undefined while there is one. */
  readonly emptyNs: bigint | undefined;
  /** Its own cgroup was removed. */
  readonly removedNs: bigint | undefined;
}

/** One cgroup as the latest event left it. */
interface Place {
  isThere: boolean;
  /** Time of that event; 0 if it was there from the beginning. */
  atNs: bigint;
}

interface Seen {
  readonly path: string;
  readonly own: Place;
  madeNs: bigint | undefined;
  firstNs: bigint | undefined;
  /** By name. */
  readonly containers: Map<string, Place>;
}

/** For how long cgroups that are gone are remembered: news of their pod may come later. Nanoseconds. */
const REMEMBERED_NS = 300_000_000_000n;
/** Pods that are remembered at most, those gone first; a node has some hundreds. */
const MOST = 20_000;
/** Containers that are told apart in one pod, whose own processes may make cgroups as well. */
const MOST_CONTAINERS = 256;

/** By the UID that a node knows its pods by. */
export class PodCgroups {
  readonly #seen = new Map<string, Seen>();
  /** Those that are gone, the oldest first. */
  readonly #gone = new Map<string, bigint>();

  get count(): number {
    return this.#seen.size;
  }

  of(uid: string): PodCgroupTimes | undefined {
    const seen = this.#seen.get(uid);
    if (seen === undefined) return undefined;
    const { path, own, madeNs, firstNs, containers } = seen;
    const all = [...containers.values()];
    return {
      ...{ path, madeNs, ranNs: madeNs === undefined ? undefined : firstNs },
      emptyNs: all.some(({ isThere }) => isThere)
        ? undefined
        : all.map(({ atNs }) => atNs).reduce<bigint | undefined>(latest, undefined),
      removedNs: own.isThere ? undefined : own.atNs,
    };
  }

  /** @param timeNs when, nanoseconds since the epoch; 0 of what was there already */
  take(path: string, change: CgroupChange, timeNs: bigint): void {
    for (const { uid, path: podPath } of podsOfCgroup(path)) {
      const below = path.slice(podPath.length).split('/').filter(Boolean);
      if (below.length > 1) continue;
      const seen = this.#seen.get(uid) ?? this.#add(uid, podPath);
      if (below.length === 0) this.#takePod(uid, seen, change, timeNs);
      else takeContainer(seen, below[0] as string, change, timeNs);
    }
  }

  /** Nothing is known of a pod's cgroups any more. */
  drop(uid: string): void {
    this.#seen.delete(uid);
    this.#gone.delete(uid);
  }

  /** Forgets what is gone since a while. */
  forget(nowNs: bigint): void {
    for (const [uid, goneNs] of this.#gone) {
      if (goneNs > nowNs - REMEMBERED_NS && this.#seen.size < MOST) return;
      this.drop(uid);
    }
  }

  #add(uid: string, path: string): Seen {
    if (this.#seen.size >= MOST)
      this.drop((this.#gone.keys().next().value ?? this.#seen.keys().next().value) as string);
    const seen: Seen = {
      ...{ path, own: { isThere: true, atNs: 0n }, containers: new Map() },
      ...{ madeNs: undefined, firstNs: undefined },
    };
    this.#seen.set(uid, seen);
    return seen;
  }

  #takePod(uid: string, seen: Seen, change: CgroupChange, timeNs: bigint): void {
    if (change === 'made' && !(seen.madeNs !== undefined && seen.madeNs <= timeNs)) seen.madeNs = timeNs;
    note(seen.own, change, timeNs);
    if (seen.own.isThere) this.#gone.delete(uid);
    else this.#gone.set(uid, timeNs);
  }
}

function takeContainer(seen: Seen, name: string, change: CgroupChange, timeNs: bigint): void {
  const { containers } = seen;
  const known = containers.get(name);
  if (change === 'made' && !(seen.firstNs !== undefined && seen.firstNs <= timeNs)) seen.firstNs = timeNs;
  if (known !== undefined) {
    note(known, change, timeNs);
    return;
  }
  if (containers.size >= MOST_CONTAINERS) forgetOne(containers);
  if (containers.size < MOST_CONTAINERS) containers.set(name, { isThere: change !== 'removed', atNs: timeNs });
}

/** One that is gone and was not the last to go. */
function forgetOne(containers: Map<string, Place>): void {
  const gone = [...containers]
    .filter(([, { isThere }]) => !isThere)
    .sort(([, one], [, other]) => Number(one.atNs - other.atNs));
  if (gone.length > 1) containers.delete((gone[0] as [string, Place])[0]);
}

function note(place: Place, change: CgroupChange, timeNs: bigint): void {
  if (timeNs < place.atNs) return;
  place.isThere = change !== 'removed';
  place.atNs = timeNs;
}

function latest(one: bigint | undefined, other: bigint): bigint {
  return one !== undefined && one > other ? one : other;
}
