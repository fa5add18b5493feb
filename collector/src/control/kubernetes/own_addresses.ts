/**
 * Which addresses the pods of this node had when: what its collector writes to table `endpoint_addresses`. It writes
 * about no other node's pods, and about its own whether or not they are heard of in traffic.
 */

import { addressText } from '../../correlate/address_text.ts';
import { endpointId } from '../identity.ts';
import { addressOfWords, type Words, wordsOfText } from './addresses.ts';
import type { Bounds, Claims } from './claims.ts';
import { changedFrom, OPEN_NS, type OwnInterval, ownInterval } from './own_interval.ts';
import type { PodCgroups } from './pod_cgroups.ts';
import type { Pods } from './pods.ts';

/** A row of `endpoint_addresses`, without cluster, node and when it was written. */
export interface AddressRow extends OwnInterval {
  readonly address: string;
  readonly endpointId: bigint;
  /** From when on rows may be told differently because of this one, nanoseconds since the epoch. */
  readonly changedFromNs: bigint;
}

/** An interval without an end that an earlier run wrote, or another collector of this node. */
export interface StoredInterval {
  readonly address: string;
  readonly endpointId: bigint;
  readonly isNodes: boolean;
  readonly validFromNs: bigint;
  readonly sureFromNs: bigint;
  /** When the row was written: it held then. */
  readonly updatedNs: bigint;
  /** Another collector may be at work that wrote it: if its pod is not known here, that one knows more. */
  readonly writerMayLive: boolean;
}

export interface OwnAddressesOptions {
  readonly pods: Pods;
  readonly claims: Claims;
  readonly cgroups: PodCgroups;
  /** Name of this node at the API server. */
  readonly node: string;
  /** Whether a cgroup is there, by its path below the v2 mount. */
  readonly cgroupIsThere: (path: string) => boolean;
}

/** One pod, for as long as the index knows it or an interval of it has not ended. */
interface OwnPod {
  readonly uid: string;
  readonly endpointId: bigint;
  /** Its number in the index; 0 once that has forgotten it. */
  number: number;
  /** By the number of their claim and when that begins. */
  readonly intervals: Map<string, Interval>;
}

interface Interval {
  readonly pod: OwnPod;
  readonly address: string;
  /** Cgroups tell of the addresses that a pod had first; of others only their end. */
  readonly isFirst: boolean;
  api: Bounds;
  isReplaced: boolean;
  told: OwnInterval | undefined;
  /** Under these beginnings it stands in the store as well. */
  readonly others: bigint[];
}

/** How late intervals were told that began while this collector watched. */
export type ToldLate = (seconds: number) => void;

/** How often it is looked whether a cgroup is there whose end is due. */
const BETWEEN_LOOKS_NS = 10_000_000_000n;
/** Events are taken in so long after they happened at most. */
const EVENTS_LATE_NS = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;

/** Fed by the index and by cgroup events; asked for rows once a second. */
export class OwnAddresses {
  readonly #options: OwnAddressesOptions;
  /** By their number in the index. */
  readonly #pods = new Map<number, OwnPod>();
  /** Intervals whose end was not told yet. */
  readonly #open = new Set<Interval>();
  readonly #words: Words = new Uint32Array(4);
  readonly #bytes = Buffer.alloc(16);
  /** Pods with a new interval, by number. */
  readonly #fresh = new Set<number>();
  readonly #closing: AddressRow[] = [];
  /** Whether it is known what earlier runs have written. */
  #isAdopted = false;
  #lookedNs = 0n;
  /** Rows so far. */
  rows = 0;
  toldLate: ToldLate = () => undefined;

  constructor(options: OwnAddressesOptions) {
    this.#options = options;
  }

  /** Intervals that have not ended. */
  get open(): number {
    return this.#open.size;
  }

  changed(pod: number): void {
    const { pods, node } = this.#options;
    if (pods.table.node(pod) !== node || pods.table.claims.get(pod) === 0) return;
    let own = this.#pods.get(pod);
    if (own === undefined) {
      const uid = pods.nodeUid(pod);
      own = { uid, endpointId: endpointId('pod', uid), number: pod, intervals: new Map() };
      this.#pods.set(pod, own);
    }
    this.#readClaims(own);
  }

  /** Its number may be another pod's from now on. @param nowMs milliseconds since the epoch */
  forgotten(pod: number, nowMs: number): void {
    const own = this.#pods.get(pod);
    if (own === undefined) return;
    this.#pods.delete(pod);
    this.#fresh.delete(pod);
    own.number = 0;
    // Of one that nothing can be told of any more, nothing is sure from now on.
    for (const interval of own.intervals.values()) {
      const { left, to } = interval.api;
      interval.api = { ...interval.api, left: Math.min(left, nowMs), to: Math.min(to, nowMs) };
    }
  }

  /** Rows that are new or differ from what was told. @param nowNs nanoseconds since the epoch */
  takeChanged(nowNs: bigint): AddressRow[] {
    const rows = this.#closing.splice(0);
    const isLook = nowNs > this.#lookedNs + BETWEEN_LOOKS_NS;
    if (isLook) this.#lookedNs = nowNs;
    for (const interval of this.#open) {
      const { pod, told } = interval;
      if (pod.number !== 0) {
        this.#readClaims(pod);
        const lives = this.#options.pods.endedMs(pod.number) === undefined;
        interval.isReplaced ||= lives && interval.api.to !== Number.POSITIVE_INFINITY;
      }
      if (isLook) this.#dropIfGone(interval, nowNs);
      if (told === undefined && !this.#isAdopted && !this.#isBegunHere(pod)) continue;
      const now = this.#interval(interval);
      const changedFromNs = changedFrom(told, now);
      if (changedFromNs !== OPEN_NS) rows.push(...this.#tell(interval, now, changedFromNs, nowNs));
      if (now.validToNs !== OPEN_NS) this.#open.delete(interval);
    }
    this.rows += rows.length;
    return rows;
  }

  /** Pods with an interval that has begun since the last call, by number: they are to be named. */
  takeFresh(): number[] {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    return fresh;
  }

  /**
   * Takes over what earlier runs left open, and ends what is not there any more.
   * @param watchedUntilNs until when an earlier run watched; undefined if that is not known
   */
  adopt(stored: readonly StoredInterval[], watchedUntilNs: bigint | undefined, nowNs: bigint): void {
    const isFirst = !this.#isAdopted;
    this.#isAdopted = true;
    const known = new Map<string, Interval>();
    const remembered = [...this.#pods.values()].flatMap(({ intervals }) => [...intervals.values()]);
    for (const interval of [...remembered, ...this.#open])
      known.set(keyOf(interval.pod.endpointId, interval.address), interval);
    const matched = new Set<Interval | undefined>();
    for (const one of stored) {
      const interval = known.get(keyOf(one.endpointId, one.address));
      matched.add(interval);
      if (interval !== undefined && this.#open.has(interval)) goOn(interval, one);
      else if (interval?.told !== undefined) {
        const { told, others } = interval;
        if (told.validFromNs === one.validFromNs || others.includes(one.validFromNs)) continue;
        this.#closing.push(ended(one, told.sureToNs, told.validToNs));
      } else if (!one.writerMayLive) this.#closing.push(ended(one, lastSure(one, watchedUntilNs), nowNs));
    }
    // What was over before it was heard of here, and is not open in the store, an earlier run has told to its end.
    for (const interval of isFirst ? this.#open : [])
      if (!matched.has(interval) && this.#isOldNews(interval)) this.#open.delete(interval);
  }

  /** Ends what the collector of a node that is gone left open, except of pods that are there all the same. */
  endOthers(stored: readonly StoredInterval[], watchedUntilNs: bigint | undefined, nowNs: bigint): void {
    for (const one of stored) {
      if (one.writerMayLive || this.#isThere(one)) continue;
      this.#closing.push(ended(one, lastSure(one, watchedUntilNs), nowNs));
    }
  }

  #isThere({ address, endpointId: id }: StoredInterval): boolean {
    const { pods } = this.#options;
    const pod = wordsOfText(address, this.#words) ? pods.nowAt(this.#words) : 0;
    return pod !== 0 && endpointId('pod', pods.nodeUid(pod)) === id;
  }

  /** The beginning of its cgroup was seen: no earlier run has written of it. */
  #isBegunHere({ uid }: OwnPod): boolean {
    return this.#options.cgroups.of(uid)?.madeNs !== undefined;
  }

  #isOldNews({ api, pod }: Interval): boolean {
    return api.to !== Number.POSITIVE_INFINITY && !this.#isBegunHere(pod);
  }

  #interval({ pod, api, isFirst, isReplaced, told }: Interval): OwnInterval {
    const cgroups = this.#options.cgroups.of(pod.uid);
    const ofFirst = cgroups && { ...cgroups, ...(isFirst ? {} : { madeNs: undefined, ranNs: undefined }) };
    return ownInterval({ api, cgroups: ofFirst, isReplaced, told });
  }

  #tell(interval: Interval, now: OwnInterval, changedFromNs: bigint, nowNs: bigint): AddressRow[] {
    const { pod, address, others, told, isFirst } = interval;
    if (told === undefined && isFirst && this.#isBegunHere(pod)) this.toldLate(Number(nowNs - now.sureFromNs) / 1e9);
    interval.told = now;
    const row = { ...now, address, endpointId: pod.endpointId, changedFromNs };
    return [row, ...others.map((validFromNs) => ({ ...row, validFromNs }))];
  }

  #readClaims(own: OwnPod): void {
    const { pods, claims } = this.#options;
    const isFirst = own.intervals.size === 0;
    for (let claim = pods.table.claims.get(own.number); claim !== 0; claim = claims.next(claim)) {
      const api = claims.bounds(claim);
      const key = `${claim} ${api.from}`;
      const interval = own.intervals.get(key) ?? this.#begin(own, claim, isFirst, api);
      interval.api = api;
      own.intervals.set(key, interval);
    }
  }

  #begin(pod: OwnPod, claim: number, isFirst: boolean, api: Bounds): Interval {
    this.#options.claims.read(claim, this.#words);
    addressOfWords(this.#words, this.#bytes, 0);
    const address = addressText(this.#bytes, 0);
    const interval: Interval = { pod, address, isFirst, api, isReplaced: false, told: undefined, others: [] };
    this.#open.add(interval);
    this.#fresh.add(pod.number);
    return interval;
  }

  /** The end of a cgroup may have been missed: where the API server says that the pod is over, it is looked for. */
  #dropIfGone({ pod, api }: Interval, nowNs: bigint): void {
    if (api.to > Number(nowNs / NS_PER_MS)) return;
    const seen = this.#options.cgroups.of(pod.uid);
    if (seen === undefined || seen.removedNs !== undefined || this.#options.cgroupIsThere(seen.path)) return;
    this.#options.cgroups.drop(pod.uid);
  }
}

/** An interval that holds is in the store already. */
function goOn(interval: Interval, one: StoredInterval): void {
  const { told, others } = interval;
  if (told === undefined) interval.told = { ...one, sureToNs: OPEN_NS, validToNs: OPEN_NS };
  else if (told.validFromNs !== one.validFromNs && !others.includes(one.validFromNs)) others.push(one.validFromNs);
}

function keyOf(endpoint: bigint, address: string): string {
  return `${endpoint} ${address}`;
}

/** Until when an interval held for sure that nobody saw the end of. */
function lastSure({ updatedNs }: StoredInterval, watchedUntilNs: bigint | undefined): bigint {
  const heldNs = updatedNs - EVENTS_LATE_NS;
  return watchedUntilNs !== undefined && watchedUntilNs > heldNs ? watchedUntilNs : heldNs;
}

/** The end of an interval that is not told by its own pod. */
function ended(one: StoredInterval, sureToNs: bigint, validToNs: bigint): AddressRow {
  const to = validToNs > one.validFromNs ? validToNs : one.validFromNs;
  const sureTo = sureToNs < to ? sureToNs : to;
  return { ...one, sureToNs: sureTo, validToNs: to, changedFromNs: sureTo };
}
