/**
 * Pods in typed arrays, some 100 bytes each: 150,000 of them are in every collector's memory. What many share is kept
 * once, and so is the part of a name that its maker gave it.
 */
import { createHash } from 'node:crypto';
import { Chains, grown, Slots } from './chains.ts';
import type { Owner, PodObject } from './objects.ts';
import type { Texts } from './texts.ts';

/** Texts of a pod that others are likely to have too. */
const SHARED = ['prefix', 'namespace', 'details', 'node', 'serviceAccount', 'owner'] as const;
type Shared = (typeof SHARED)[number];

/** What is unpacked only for those that are asked for. */
export interface PodDetails {
  readonly labels: ReadonlyMap<string, string>;
  readonly images: ReadonlyMap<string, string>;
  readonly resourceAttributes: ReadonlyMap<string, string>;
}

/** Bytes at the end of a name that are the pod's own: makers add five characters or a number. */
const SUFFIX = 8;
const HOST_NETWORK = 1;
const SEEN = 2;

/** A UID as four numbers; one that is no UUID becomes its hash. */
export function wordsOfUid(uid: string, words: Uint32Array): void {
  const hex = uid.length === 36 ? uid.replaceAll('-', '') : uid;
  const bits = /^[0-9a-f]{32}$/.test(hex) ? hex : createHash('sha256').update(uid).digest('hex');
  for (let index = 0; index < 4; index += 1) words[index] = Number.parseInt(bits.slice(index * 8, index * 8 + 8), 16);
}

/** Pods by number; 0 is none. */
export class PodTable {
  readonly #texts: Texts;
  readonly #slots = new Slots();
  readonly #chains = new Chains((pod) => this.#uid[pod * 4] as number);
  readonly #wanted = new Uint32Array(4);
  /** UIDs that are no UUIDs. */
  readonly #oddUids = new Map<number, string>();
  #uid = new Uint32Array(4096);
  #suffix = new Uint8Array(SUFFIX * 1024);
  #flags = new Uint8Array(1024);
  readonly #shared: Record<Shared, Uint32Array> = {
    prefix: new Uint32Array(1024),
    namespace: new Uint32Array(1024),
    details: new Uint32Array(1024),
    node: new Uint32Array(1024),
    serviceAccount: new Uint32Array(1024),
    owner: new Uint32Array(1024),
  };
  /** Seconds since the epoch; 0 if not known. */
  #started = new Uint32Array(1024);
  /** Heads of the pod's lists: its claims and its containers. */
  claims = new Uint32Array(1024);
  containers = new Uint32Array(1024);

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
      const at = pod * 4;
      if (all[at] === words[0] && all[at + 1] === words[1] && all[at + 2] === words[2] && all[at + 3] === words[3])
        break;
    }
    return pod;
  }

  add(uid: string): number {
    const pod = this.#slots.take();
    if (pod >= this.#flags.length) this.#grow(pod);
    wordsOfUid(uid, this.#wanted);
    this.#uid.set(this.#wanted, pod * 4);
    this.#chains.add(pod, this.#wanted[0] as number);
    if (this.uid(pod) !== uid) this.#oddUids.set(pod, uid);
    for (const key of SHARED) this.#shared[key][pod] = 0;
    this.#flags[pod] = 0;
    this.#started[pod] = 0;
    this.claims[pod] = 0;
    this.containers[pod] = 0;
    return pod;
  }

  remove(pod: number): void {
    for (const key of SHARED) this.#texts.release(this.#shared[key][pod] as number);
    this.#oddUids.delete(pod);
    this.#chains.remove(pod, this.#uid[pod * 4] as number);
    this.#slots.giveBack(pod);
  }

  /** Takes over what an object says. @returns whether something is different now */
  describe(pod: number, object: PodObject): boolean {
    const { name, namespace, node, serviceAccount, owner, hostNetwork, startedMs } = object;
    const { prefix, suffix } = splitName(name, owner);
    const details = [object.labels, object.images, object.resourceAttributes];
    const texts: Record<Shared, string> = {
      prefix,
      namespace,
      details: details.every((map) => map.size === 0) ? '' : JSON.stringify(details.map((map) => [...map])),
      node,
      serviceAccount,
      owner: owner === undefined ? '' : `${owner.kind}\0${owner.name}\0${owner.uid}`,
    };
    let differs = false;
    for (const key of SHARED) {
      const column = this.#shared[key];
      const before = column[pod] as number;
      if (this.#texts.of(before) === texts[key]) continue;
      column[pod] = this.#texts.hold(texts[key]);
      this.#texts.release(before);
      differs = true;
    }
    this.#suffix.fill(0, pod * SUFFIX, pod * SUFFIX + SUFFIX);
    Buffer.from(this.#suffix.buffer).write(suffix, pod * SUFFIX, 'latin1');
    this.#setFlag(pod, HOST_NETWORK, hostNetwork);
    const started = startedMs > 0 ? Math.floor(startedMs / 1000) : 0;
    differs ||= this.#started[pod] !== started;
    this.#started[pod] = started;
    return differs;
  }

  uid(pod: number): string {
    const odd = this.#oddUids.get(pod);
    if (odd !== undefined) return odd;
    const hex = Array.from(this.#uid.subarray(pod * 4, pod * 4 + 4), (word) => word.toString(16).padStart(8, '0')).join(
      '',
    );
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  name(pod: number): string {
    const suffix = Buffer.from(this.#suffix.buffer, pod * SUFFIX, SUFFIX).toString('latin1');
    return this.#text('prefix', pod) + suffix.replace(/\0+$/, '');
  }

  namespace(pod: number): string {
    return this.#text('namespace', pod);
  }

  node(pod: number): string {
    return this.#text('node', pod);
  }

  serviceAccount(pod: number): string {
    return this.#text('serviceAccount', pod);
  }

  owner(pod: number): Owner | undefined {
    const [kind = '', name = '', uid = ''] = this.#text('owner', pod).split('\0');
    return kind === '' ? undefined : { kind, name, uid };
  }

  details(pod: number): PodDetails {
    const text = this.#text('details', pod);
    const [labels, images, attributes] = (text === '' ? [[], [], []] : JSON.parse(text)) as [string, string][][];
    return { labels: new Map(labels), images: new Map(images), resourceAttributes: new Map(attributes) };
  }

  isHostNetwork(pod: number): boolean {
    return ((this.#flags[pod] as number) & HOST_NETWORK) !== 0;
  }

  /** When its node took it up, milliseconds since the epoch; undefined if not known. */
  startedMs(pod: number): number | undefined {
    const seconds = this.#started[pod] as number;
    return seconds === 0 ? undefined : seconds * 1000;
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
      if (((this.#flags[pod] as number) & SEEN) === 0 && !free.has(pod) && !skipped.has(pod)) found.push(pod);
    }
    return found;
  }

  #text(key: Shared, pod: number): string {
    return this.#texts.of(this.#shared[key][pod] as number);
  }

  #setFlag(pod: number, flag: number, on: boolean): void {
    const flags = this.#flags[pod] as number;
    this.#flags[pod] = on ? flags | flag : flags & ~flag;
  }

  #grow(pod: number): void {
    this.#uid = grown(this.#uid, pod * 4 + 3);
    this.#suffix = grown(this.#suffix, pod * SUFFIX + SUFFIX - 1);
    this.#flags = grown(this.#flags, pod);
    for (const key of SHARED) this.#shared[key] = grown(this.#shared[key], pod);
    this.#started = grown(this.#started, pod);
    this.claims = grown(this.claims, pod);
    this.containers = grown(this.containers, pod);
  }
}

function splitName(name: string, owner: Owner | undefined): { prefix: string; suffix: string } {
  const made =
    owner !== undefined && name.startsWith(`${owner.name}-`) ? owner.name.length + 1 : name.lastIndexOf('-') + 1;
  const suffix = name.slice(made);
  const fits = made > 0 && suffix.length <= SUFFIX && /^[\x21-\x7e]*$/.test(suffix);
  return fits ? { prefix: name.slice(0, made), suffix } : { prefix: name, suffix: '' };
}
