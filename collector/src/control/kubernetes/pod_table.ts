/**
 * Pods in typed arrays, some 60 bytes each: 150,000 of them are in every collector's memory. What those of one maker
 * have in common is kept once, with the part of their names that it gave them.
 */
import { createHash } from 'node:crypto';
import { Chains, Slots } from './chains.ts';
import { Column } from './columns.ts';
import { hexOfWord, wordsOfUuid } from './hex.ts';
import type { Owner, PodObject } from './objects.ts';
import type { Texts } from './texts.ts';

/** What pods of one maker have in common. */
export interface PodCommon {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly owner: Owner | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly images: ReadonlyMap<string, string>;
  readonly resourceAttributes: ReadonlyMap<string, string>;
}

/** The same as it is kept: a text of JSON. */
type Entries = readonly (readonly [string, string])[];
type Packed = readonly [
  prefix: string,
  namespace: string,
  serviceAccount: string,
  owner: readonly [kind: string, name: string, uid: string] | null,
  labels: Entries,
  images: Entries,
  resourceAttributes: Entries,
];

/** Bytes at the end of a name that are the pod's own: makers add five characters or a number. */
const SUFFIX = 8;
const HOST_NETWORK = 1;
const SEEN = 2;

/** A UID as four numbers; one that is no UUID becomes its hash. @returns whether it is a UUID */
function wordsOfUid(uid: string, words: Uint32Array): boolean {
  if (wordsOfUuid(uid, words)) return true;
  const hash = createHash('sha256').update(uid).digest();
  for (let index = 0; index < 4; index += 1) words[index] = hash.readUInt32BE(index * 4);
  return false;
}

/** Pods by number; 0 is none. */
export class PodTable {
  readonly #texts: Texts;
  readonly #slots = new Slots();
  readonly #chains = new Chains((pod) => this.#uid.get(pod * 4));
  readonly #wanted = new Uint32Array(4);
  /** UIDs that are no UUIDs. */
  readonly #oddUids = new Map<number, string>();
  readonly #uid = new Column(Uint32Array);
  readonly #suffix = new Column(Uint8Array);
  readonly #flags = new Column(Uint8Array);
  readonly #common = new Column(Uint32Array);
  readonly #node = new Column(Uint32Array);
  /** Seconds since the epoch; 0 if not known. */
  readonly #started = new Column(Uint32Array);
  /** When labels or owner changed last, milliseconds since the epoch; 0: never. */
  readonly #altered = new Column(Float64Array);
  /** Head of the pod's list of claims. */
  readonly claims = new Column(Uint32Array);

  #last: { readonly prefix: string; readonly object: PodObject; readonly text: string } | undefined;

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  get count(): number {
    return this.#slots.count;
  }

  /** Number of the pod with this UID, or 0. */
  find(uid: string): number {
    const words = this.#wanted;
    wordsOfUid(uid, words);
    const all = this.#uid;
    let pod = this.#chains.first(words[0] as number);
    for (; pod !== 0; pod = this.#chains.after(pod)) {
      let same = 0;
      while (same < 4 && all.get(pod * 4 + same) === words[same]) same += 1;
      if (same === 4) break;
    }
    return pod;
  }

  add(uid: string): number {
    const pod = this.#slots.take();
    if (!wordsOfUid(uid, this.#wanted)) this.#oddUids.set(pod, uid);
    for (let index = 0; index < 4; index += 1) this.#uid.set(pod * 4 + index, this.#wanted[index] as number);
    this.#chains.add(pod, this.#wanted[0] as number);
    this.#common.set(pod, 0);
    this.#node.set(pod, 0);
    this.#flags.set(pod, 0);
    this.#started.set(pod, 0);
    this.#altered.set(pod, 0);
    this.claims.set(pod, 0);
    return pod;
  }

  remove(pod: number): void {
    this.#texts.release(this.#common.get(pod));
    this.#texts.release(this.#node.get(pod));
    this.#oddUids.delete(pod);
    this.#chains.remove(pod, this.#uid.get(pod * 4));
    this.#slots.giveBack(pod);
  }

  /** Takes over what an object says, and was said at a time. @returns whether something is different now */
  describe(pod: number, object: PodObject, nowMs: number): boolean {
    const { node, hostNetwork, startedMs } = object;
    const { prefix, suffix } = splitName(object.name, object.owner);
    const text = this.#pack(prefix, object);
    const before = this.#texts.of(this.#common.get(pod));
    if (before !== '' && before !== text && isAltered(before, text)) this.#altered.set(pod, nowMs);
    const isOther = this.#setText(this.#common, pod, text);
    let differs = this.#setText(this.#node, pod, node) || isOther;
    for (let index = 0; index < SUFFIX; index += 1)
      this.#suffix.set(pod * SUFFIX + index, index < suffix.length ? suffix.charCodeAt(index) : 0);
    this.#setFlag(pod, HOST_NETWORK, hostNetwork);
    const started = startedMs > 0 ? Math.floor(startedMs / 1000) : 0;
    differs ||= this.#started.get(pod) !== started;
    this.#started.set(pod, started);
    return differs;
  }

  /** The highest number given out so far. */
  get last(): number {
    return this.#slots.last;
  }

  uid(pod: number): string {
    const odd = this.#oddUids.get(pod);
    if (odd !== undefined) return odd;
    let hex = '';
    for (let index = 0; index < 4; index += 1) hex += hexOfWord(this.#uid.get(pod * 4 + index));
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  name(pod: number): string {
    let name = this.#packed(pod)[0];
    for (let index = 0; index < SUFFIX; index += 1) {
      const code = this.#suffix.get(pod * SUFFIX + index);
      if (code !== 0) name += String.fromCharCode(code);
    }
    return name;
  }

  node(pod: number): string {
    return this.#texts.of(this.#node.get(pod));
  }

  common(pod: number): PodCommon {
    const [, namespace, serviceAccount, owner, labels, images, resourceAttributes] = this.#packed(pod);
    return {
      ...{ namespace, serviceAccount },
      owner: owner === null ? undefined : { kind: owner[0], name: owner[1], uid: owner[2] },
      ...{ labels: new Map(labels), images: new Map(images), resourceAttributes: new Map(resourceAttributes) },
    };
  }

  isHostNetwork(pod: number): boolean {
    return (this.#flags.get(pod) & HOST_NETWORK) !== 0;
  }

  /** When its node took it up, milliseconds since the epoch; undefined if not known. */
  startedMs(pod: number): number | undefined {
    const seconds = this.#started.get(pod);
    return seconds === 0 ? undefined : seconds * 1000;
  }

  /** Since when it has its labels and its owner, as `startedMs`. */
  describedMs(pod: number): number | undefined {
    const altered = this.#altered.get(pod);
    return altered === 0 ? this.startedMs(pod) : altered;
  }

  /** A full list begins: nothing has been seen in it yet. */
  unsee(): void {
    for (let pod = 0; pod <= this.#slots.last; pod += 1) this.#setFlag(pod, SEEN, false);
  }

  see(pod: number): void {
    this.#setFlag(pod, SEEN, true);
  }

  /** The pods that the list did not have; those with `skipped` are over already. */
  unseen(skipped: ReadonlyMap<number, number>): number[] {
    const found: number[] = [];
    const free = new Set(this.#slots.free);
    for (let pod = 1; pod <= this.#slots.last; pod += 1) {
      if ((this.#flags.get(pod) & SEEN) === 0 && !free.has(pod) && !skipped.has(pod)) found.push(pod);
    }
    return found;
  }

  /** What a pod has in common with others, as text. Lists have those of one maker one after another. */
  #pack(prefix: string, object: PodObject): string {
    const last = this.#last;
    if (last !== undefined && last.prefix === prefix && areAlike(last.object, object)) return last.text;
    const { owner, labels, images, resourceAttributes } = object;
    const packed: Packed = [
      ...([prefix, object.namespace, object.serviceAccount] as const),
      owner === undefined ? null : [owner.kind, owner.name, owner.uid],
      ...([[...labels], [...images], [...resourceAttributes]] as const),
    ];
    const text = JSON.stringify(packed);
    this.#last = { prefix, object, text };
    return text;
  }

  #packed(pod: number): Packed {
    return JSON.parse(this.#texts.of(this.#common.get(pod))) as Packed;
  }

  /** @returns whether it was another */
  #setText(column: Column, pod: number, text: string): boolean {
    const before = column.get(pod);
    if (this.#texts.of(before) === text) return false;
    column.set(pod, this.#texts.hold(text));
    this.#texts.release(before);
    return true;
  }

  #setFlag(pod: number, flag: number, on: boolean): void {
    const flags = this.#flags.get(pod);
    this.#flags.set(pod, on ? flags | flag : flags & ~flag);
  }
}

/** Whether two are the same but for what each has of its own. */
function areAlike(one: PodObject, other: PodObject): boolean {
  return (
    one.namespace === other.namespace &&
    one.serviceAccount === other.serviceAccount &&
    one.owner?.uid === other.owner?.uid &&
    one.owner?.name === other.owner?.name &&
    one.owner?.kind === other.owner?.kind &&
    haveSame(one.labels, other.labels) &&
    haveSame(one.images, other.images) &&
    haveSame(one.resourceAttributes, other.resourceAttributes)
  );
}

function haveSame(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (other.get(key) !== value) return false;
  return true;
}

/** Whether owner or labels are others. */
function isAltered(before: string, now: string): boolean {
  const [, , , owner, labels] = JSON.parse(before) as Packed;
  const [, , , newOwner, newLabels] = JSON.parse(now) as Packed;
  return JSON.stringify([owner, labels]) !== JSON.stringify([newOwner, newLabels]);
}

function splitName(name: string, owner: Owner | undefined): { prefix: string; suffix: string } {
  const made =
    owner !== undefined && name.startsWith(`${owner.name}-`) ? owner.name.length + 1 : name.lastIndexOf('-') + 1;
  const suffix = name.slice(made);
  const fits = made > 0 && suffix.length <= SUFFIX && /^[\x21-\x7e]*$/.test(suffix);
  return fits ? { prefix: name.slice(0, made), suffix } : { prefix: name, suffix: '' };
}
