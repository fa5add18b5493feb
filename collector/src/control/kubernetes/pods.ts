/** All pods, those that ended a while ago included: what they are, and which address each had when. */
import { type Words, wordsOfText } from './addresses.ts';
import { Claims, NEVER, NOT_SURE } from './claims.ts';
import { Containers } from './containers.ts';
import type { PodObject } from './objects.ts';
import { PodTable } from './pod_table.ts';
import type { Texts } from './texts.ts';

/** How long pods and addresses are remembered after their end, for rows that come late. */
const REMEMBERED_MS = 5 * 60_000;
/** Ended pods that are remembered at most; the oldest go first. */
const MOST_ENDED = 50_000;
/** The API server cuts times off to seconds. */
const SECOND_MS = 1000;
/**
 * A pod that was removed by force may live on: its node learns of it later. Its address is maybe still its own for as
 * long as a node gives a pod to end.
 */
const FORCED_MS = 30_000;

/** What happens is told this late at most, as long as the API server is heard. */
const LATE_MS = 2000;

export interface PodsListener {
  /** What is told of a pod has changed. */
  changed(pod: number): void;
  /** A pod has ended. @param ms when, milliseconds since the epoch */
  ended(pod: number, ms: number): void;
  /** Its number may be another pod's from now on. */
  forgotten(pod: number): void;
}

/** The index of pods; fed by the reflector, asked by everybody. */
export class Pods {
  readonly table: PodTable;
  readonly #containers: Containers;
  readonly #claims: Claims;
  readonly #listener: PodsListener;
  readonly #words: Words = new Uint32Array(4);
  /** Static pods by the hash that their node knows them by. */
  readonly #static = new Map<string, number>();
  readonly #staticHash = new Map<number, string>();
  /** When pods ended that are still remembered, the oldest first. */
  readonly #ended = new Map<number, number>();
  /** When pods that are still there came to their end. */
  readonly #finished = new Map<number, number>();
  /** When claims were closed that are still remembered, the oldest first. */
  readonly #closed = new Map<number, number>();
  #listing = false;
  /** When something was heard last outside of lists. */
  #heardMs = 0;
  #nowMs = 0;

  constructor(texts: Texts, listener: PodsListener, claims = new Claims()) {
    this.#claims = claims;
    this.table = new PodTable(texts);
    this.#containers = new Containers(texts);
    this.#listener = listener;
  }

  /** Those that are there, without those that ended. */
  get count(): number {
    return this.table.count - this.#ended.size;
  }

  get remembered(): { readonly pods: number; readonly claims: number; readonly containers: number } {
    return { pods: this.#ended.size, claims: this.#claims.count, containers: this.#containers.count };
  }

  /** Number of a pod that was never ended or is still remembered, or 0. @param uid as API server or node know it */
  find(uid: string): number {
    return this.#static.get(uid) ?? this.table.find(uid);
  }

  /** The UID that its node knows a pod by. */
  nodeUid(pod: number): string {
    return this.#staticHash.get(pod) ?? this.table.uid(pod);
  }

  isStatic(pod: number): boolean {
    return this.#staticHash.has(pod);
  }

  ofContainer(id: string): number {
    return this.#containers.podOf(id, this.table.last);
  }

  containers(pod: number): Map<string, string> {
    return this.#containers.of(pod);
  }

  /** Pod that had an address at a time, or 0 if nobody had it for sure; undefined if it is no pod's. */
  ofAddress(words: Words, ms: number): number | undefined {
    const owner = this.#claims.owner(words, ms);
    return owner === NEVER ? undefined : owner === NOT_SURE ? 0 : owner;
  }

  /** Pod that has an address now, or 0. */
  nowAt(words: Words): number {
    return this.#claims.current(words);
  }

  /** Addresses that a pod has now. @param use called with each; the words are reused */
  eachAddress(pod: number, use: (words: Words) => void): void {
    for (let claim = this.table.claims.get(pod); claim !== 0; claim = this.#claims.next(claim)) {
      if (!this.#claims.isOpen(claim)) continue;
      this.#claims.read(claim, this.#words);
      use(this.#words);
    }
  }

  /** When a pod ended, milliseconds since the epoch; undefined while it lives. */
  endedMs(pod: number): number | undefined {
    return this.#ended.get(pod) ?? this.#finished.get(pod);
  }

  /** It is not there any more, and remembered only. */
  isDeleted(pod: number): boolean {
    return this.#ended.has(pod);
  }

  beginList(nowMs: number): void {
    this.#listing = true;
    this.#nowMs = nowMs;
    this.table.unsee();
  }

  /** What the list did not have ended while nobody was told, and others may have come and gone. */
  endList(): void {
    this.#listing = false;
    const heardMs = this.#heardMs - LATE_MS;
    let doubtMs = heardMs;
    for (const pod of this.table.unseen(this.#ended)) {
      // It may have had any address, and nobody was told which.
      if (this.table.claims.get(pod) === 0) doubtMs = Math.min(doubtMs, this.table.startedMs(pod) ?? doubtMs);
      this.#closeAll(pod, () => heardMs, this.#nowMs + FORCED_MS);
      this.#end(pod, this.#heardMs);
    }
    // Nor of one that was removed by force and lives on.
    this.#claims.doubt(doubtMs, this.#nowMs + FORCED_MS);
    this.#heardMs = this.#nowMs;
  }

  /** An object came. @param nowMs wall-clock time, milliseconds since the epoch */
  take(object: PodObject, nowMs: number): void {
    this.#nowMs = nowMs;
    if (!this.#listing) this.#heardMs = nowMs;
    let pod = this.table.find(object.uid);
    const isNew = pod === 0;
    if (isNew) pod = this.table.add(object.uid);
    if (this.#listing) this.table.see(pod);
    if (this.#ended.has(pod)) return;
    const described = this.table.describe(pod, object, nowMs);
    const contained = this.#containers.take(pod, object.containers);
    this.#takeStatic(pod, object);
    const moved = this.#takeAddresses(pod, object);
    if (isNew || described || contained || moved) this.#listener.changed(pod);
    if (!object.finished || this.#finished.has(pod)) return;
    const endedMs = leftMs(object) ?? nowMs;
    this.#finished.set(pod, endedMs);
    this.#listener.ended(pod, endedMs);
  }

  /** An object was deleted; this is what it was last. */
  delete(object: PodObject, nowMs: number): void {
    this.take(object, nowMs);
    const pod = this.table.find(object.uid);
    if (this.#ended.has(pod)) return;
    const orderly = object.finished || !Number.isNaN(object.stoppedMs);
    const asked = Number.isNaN(object.deletionMs) ? undefined : object.deletionMs;
    const left = (sure: number) => leftMs(object) ?? asked ?? sure;
    this.#closeAll(pod, left, orderly ? nowMs : nowMs + FORCED_MS);
    this.#end(pod, leftMs(object) ?? nowMs);
  }

  /** Nothing can be told of a pod any more, though it may be there: unknown is better than stale. */
  lose(uid: string): void {
    const pod = this.table.find(uid);
    if (pod !== 0) this.#remove(pod);
  }

  /** Forgets what ended long ago. */
  forget(nowMs: number): void {
    for (const [claim, ms] of this.#closed) {
      if (ms > nowMs - REMEMBERED_MS && this.#closed.size <= MOST_ENDED) break;
      this.#dropClaim(claim);
    }
    for (const [pod, ms] of this.#ended) {
      if (ms > nowMs - REMEMBERED_MS && this.#ended.size <= MOST_ENDED) break;
      this.#remove(pod);
    }
  }

  #takeStatic(pod: number, { staticHash }: PodObject): void {
    if (staticHash === '' || this.#staticHash.get(pod) === staticHash) return;
    this.#static.set(staticHash, pod);
    this.#staticHash.set(pod, staticHash);
  }

  #takeAddresses(pod: number, object: PodObject): boolean {
    const had = this.table.claims.get(pod) !== 0;
    let moved = false;
    const kept = new Set<number>();
    for (const address of object.hostNetwork ? [] : object.addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      let claim = this.table.claims.get(pod);
      while (claim !== 0 && !(this.#claims.isOpen(claim) && this.#claims.is(claim, this.#words))) {
        claim = this.#claims.next(claim);
      }
      // One that had come to its end when it was first heard of had its address before.
      if (claim === 0 && !(object.finished && (had || this.#wasLongAgo(object)))) {
        claim = this.#claims.add(this.#words, pod, this.table.claims.get(pod), this.#bounds(object, had));
        this.table.claims.set(pod, claim);
        moved = true;
      }
      if (claim !== 0 && !object.finished) kept.add(claim);
    }
    for (let claim = this.table.claims.get(pod); claim !== 0; claim = this.#claims.next(claim)) {
      if (!this.#claims.isOpen(claim)) continue;
      const { sure } = this.#claims.bounds(claim);
      if (!kept.has(claim)) {
        // Taken away while it lives: until when it was its own is not told.
        const left = object.finished ? (leftMs(object) ?? sure) : sure;
        this.#close(claim, left, this.#nowMs);
        moved = true;
      } else if (!Number.isNaN(object.deletionMs)) this.#claims.setLeft(claim, leftMs(object) ?? object.deletionMs);
    }
    return moved;
  }

  /** Bounds of an address that is new of a pod. */
  #bounds(object: PodObject, hadOthers: boolean) {
    const ranMs = object.runningMs + SECOND_MS;
    // Once its address has changed, the times of its containers do not tell which one they had.
    const sure = !hadOthers && ranMs < this.#nowMs ? ranMs : this.#nowMs;
    const from = hadOthers || Number.isNaN(object.startedMs) ? sure : Math.min(object.startedMs, sure);
    return { from, sure };
  }

  #closeAll(pod: number, left: (sure: number) => number, to: number): void {
    for (let claim = this.table.claims.get(pod); claim !== 0; claim = this.#claims.next(claim)) {
      if (!this.#claims.isOpen(claim)) continue;
      const bounds = this.#claims.bounds(claim);
      this.#close(claim, Math.min(left(bounds.sure), bounds.left), to);
    }
  }

  #close(claim: number, left: number, to: number): void {
    this.#claims.close(claim, left, to);
    this.#closed.set(claim, to);
  }

  #dropClaim(claim: number): void {
    const pod = this.#claims.ownerOf(claim);
    const next = this.#claims.next(claim);
    let before = this.table.claims.get(pod);
    if (before === claim) this.table.claims.set(pod, next);
    else {
      while (this.#claims.next(before) !== claim) before = this.#claims.next(before);
      this.#claims.setNext(before, next);
    }
    this.#closed.delete(claim);
    this.#claims.remove(claim);
  }

  #wasLongAgo(object: PodObject): boolean {
    return (leftMs(object) ?? 0) <= this.#nowMs - REMEMBERED_MS;
  }

  #end(pod: number, ms: number): void {
    this.#ended.set(pod, ms);
    this.#listener.ended(pod, ms);
  }

  #remove(pod: number): void {
    while (this.table.claims.get(pod) !== 0) this.#dropClaim(this.table.claims.get(pod));
    this.#containers.drop(pod);
    const hash = this.#staticHash.get(pod);
    if (hash !== undefined && this.#static.get(hash) === pod) this.#static.delete(hash);
    this.#staticHash.delete(pod);
    this.#ended.delete(pod);
    this.#finished.delete(pod);
    this.#listener.forgotten(pod);
    this.table.remove(pod);
  }
}

/** Until when a pod had its address for sure, as far as its containers tell. */
function leftMs({ stoppedMs }: PodObject): number | undefined {
  return Number.isNaN(stoppedMs) ? undefined : stoppedMs;
}
