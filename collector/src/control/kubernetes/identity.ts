/** Identity of pods and nodes as the Kubernetes API server tells it. A pod's id is known from its cgroup, its name later. */
import { ownerOfCgroup, type PodCgroup, podsOfCgroup } from '../cgroup_path.ts';
import {
  type CgroupChange,
  type EndpointNews,
  endpointId,
  type Identity,
  type IdentitySource,
  NOBODY_SURE,
  type ProcessFacts,
  type ServiceName,
} from '../identity.ts';
import { type Words, wordsOfBytes } from './addresses.ts';
import { Cluster, type ClusterListener } from './cluster.ts';
import type { KubernetesNode } from './nodes.ts';
import { OwnAddresses } from './own_addresses.ts';
import { PodCgroups } from './pod_cgroups.ts';
import { describePod, nodeIdentity, unnamedPod } from './pod_identity.ts';
import { type ToldPod, ToldPods } from './told_pods.ts';

/** A time within which every change was told, milliseconds since the epoch; from is Infinity where there is none. */
export interface Heard {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What tells a cluster's index of its objects. */
export interface Feed {
  /** Begins to tell; resolved when all is known, or after some time. */
  start(cluster: Cluster): Promise<void>;
  /** Whether all has been told once. */
  readonly synced: boolean;
  /** The time up to the last word about pods, since the watch of them was broken last. */
  readonly heardOfPods: Heard;
  close(): void;
}

export interface KubernetesIdentityOptions {
  /** Name of this node at the API server. */
  readonly node: string;
  readonly feed: Feed;
  /** Wall-clock time, milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** Whether a cgroup is there, by its path below the v2 mount. */
  readonly cgroupIsThere: (path: string) => boolean;
  /** Pods whose identity is kept ready; 50,000 if not given. */
  readonly mostTold?: number;
}

/** A pod that is seen here before the API server has told of it. */
interface Unknown {
  readonly identity: Identity;
  readonly cgroupPath: string;
  readonly sinceMs: number;
}

const MOST_TOLD = 50_000;
/** Containers and foreign pods that are remembered. */
const MOST_OTHERS = 10_000;
/** A pod that is unknown after so long of hearing belongs to another cluster, whose node is on this machine too. */
const FOREIGN_MS = 60_000;
/** For so long no address is anybody's while the API server has not told who is where. */
const UNTOLD_MS = 30_000;
/** How often what has ended is forgotten and what has changed is told. */
const TICK_MS = 1000;

/** Kubernetes, beside the local machine: what it does not know, others are asked. */
export class KubernetesIdentity implements IdentitySource, ClusterListener {
  readonly name = 'kubernetes';
  readonly dated = true;
  readonly cluster: Cluster;
  /** Which addresses the pods of this node had when. */
  readonly ownAddresses: OwnAddresses;
  readonly #options: KubernetesIdentityOptions;
  readonly #told: ToldPods;
  /** By the UID that their node knows them by. */
  readonly #unknown = new Map<string, Unknown>();
  readonly #cgroups = new PodCgroups();
  readonly #foreign = new Set<string>();
  /** Containers that nobody has told of. */
  readonly #containers = new Set<string>();
  readonly #nodes = new WeakMap<KubernetesNode, Identity>();
  readonly #words: Words = new Uint32Array(4);
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | undefined;
  #changed = false;
  #ownersChanged = false;
  #tellChanged: () => void = () => undefined;
  #news: EndpointNews | undefined;
  #tellCgroup: (path: string, change: CgroupChange) => void = () => undefined;

  constructor(options: KubernetesIdentityOptions) {
    this.#options = options;
    this.#told = new ToldPods(options.mostTold ?? MOST_TOLD);
    this.#startedMs = options.nowMs();
    this.cluster = new Cluster(this, options.nowMs);
    const { pods, claims } = this.cluster;
    const { node, cgroupIsThere } = options;
    this.ownAddresses = new OwnAddresses({ pods, claims, cgroups: this.#cgroups, node, cgroupIsThere });
  }

  async start(changed: () => void, news?: EndpointNews): Promise<void> {
    this.#tellChanged = changed;
    this.#news = news;
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** Begins to be told, and waits a moment for all of it; before `start`, so that records need not wait meanwhile. */
  sync(): Promise<void> {
    return this.#options.feed.start(this.cluster);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#options.feed.close();
    this.#tellChanged = () => undefined;
    this.#news = undefined;
  }

  cgroup(path: string, change: CgroupChange, timeNs: bigint): void {
    this.#cgroups.take(path, change, timeNs);
    this.#tellCgroup(path, change);
  }

  /** @param told called with each cgroup that this is told of */
  onCgroup(told: (path: string, change: CgroupChange) => void): void {
    this.#tellCgroup = told;
  }

  /** A pod by its number in the index. */
  identityOf(pod: number): Identity {
    return this.#tell(pod, '');
  }

  ofCgroup(path: string): Identity | undefined {
    const named = podsOfCgroup(path);
    for (const { uid, path: podPath } of named) {
      const pod = this.cluster.pods.find(uid);
      if (pod !== 0) return this.#tell(pod, podPath);
    }
    const owner = ownerOfCgroup(path);
    if (owner.kind === 'container') {
      const pod = this.cluster.pods.ofContainer(owner.containerId);
      if (pod !== 0) return this.#tell(pod, named[0]?.path ?? '');
      if (this.#containers.size < MOST_OTHERS) this.#containers.add(owner.containerId);
    }
    const [innermost] = named;
    return innermost === undefined || this.#foreign.has(innermost.uid) ? undefined : this.#tellUnknown(innermost);
  }

  ofProcess(cgroupPath: string, process: ProcessFacts): Identity | undefined {
    // Where cgroup v1 is in use, the v2 path may be the root, and another hierarchy knows better.
    for (const path of [cgroupPath, ...process.cgroupPaths]) {
      const identity = this.ofCgroup(path);
      if (identity !== undefined) return identity;
    }
    return undefined;
  }

  ofAddress(address: Uint8Array, timeMs: number): Identity | typeof NOBODY_SURE | undefined {
    wordsOfBytes(address, this.#words);
    const pod = this.cluster.pods.ofAddress(this.#words, timeMs);
    if (pod === 0) return NOBODY_SURE;
    if (pod !== undefined) return this.#tell(pod, '');
    const node = this.cluster.nodes.at(this.#words);
    if (node !== undefined) return this.#ofNode(node);
    const early = !this.#options.feed.synced && this.#options.nowMs() < this.#startedMs + UNTOLD_MS;
    return early ? NOBODY_SURE : undefined;
  }

  dialled(protocol: number, address: Uint8Array, port: number, isHere: boolean): ServiceName | undefined {
    wordsOfBytes(address, this.#words);
    return this.cluster.services.dialled(this.#words, protocol, port, isHere || this.cluster.nodes.has(this.#words));
  }

  /** This node, once the API server has told of it. */
  get ownNode(): Identity | undefined {
    const node = this.cluster.nodes.get(this.#options.node);
    return node && this.#ofNode(node);
  }

  /** Tells which nodes are not there any more, on the node that comes first by its name: one is enough. */
  goneNodes(): ((node: string) => boolean) | undefined {
    const names = new Set(this.cluster.nodes.names());
    const [first] = [...names].sort();
    return first === this.#options.node ? (node) => !names.has(node) : undefined;
  }

  podChanged(pod: number): void {
    if (this.#containers.size > 0) {
      for (const id of this.cluster.pods.containers(pod).keys()) if (this.#containers.delete(id)) this.#changed = true;
    }
    if (this.#foreign.size > 0 && this.#foreign.delete(this.cluster.pods.nodeUid(pod))) this.#changed = true;
    if (this.#unknown.size > 0) this.#recognize(pod);
    this.ownAddresses.changed(pod);
    if (this.#told.has(pod)) this.#refresh(pod);
  }

  podEnded(pod: number, ms: number): void {
    const cgroupPath = this.#told.has(pod) ? this.#refresh(pod).cgroupPath : '';
    const id = endpointId('pod', this.cluster.pods.nodeUid(pod));
    // The end of its cgroup is seen here, to the nanosecond; the API server's news come after it.
    if (cgroupPath === '') this.#news?.ended(id, nanoseconds(ms));
    else if (this.cluster.pods.isDeleted(pod)) this.#news?.ended(id, nanoseconds(this.#options.nowMs()));
  }

  podForgotten(pod: number): void {
    this.ownAddresses.forgotten(pod, this.#options.nowMs());
    this.#told.delete(pod);
  }

  ownerKnown(): void {
    this.#ownersChanged = true;
  }

  nodeMoved(node: string): void {
    if (node === this.#options.node) this.#changed = true;
    const known = this.cluster.nodes.get(node);
    if (known !== undefined) this.#news?.updated(this.#ofNode(known));
    this.#refreshAll((pod) => this.cluster.pods.table.node(pod) === node);
  }

  /** Once a second: what takes time to be sure of, or is better done for many at once. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    this.cluster.forget();
    this.#cgroups.forget(nanoseconds(nowMs));
    if (this.#ownersChanged) {
      this.#ownersChanged = false;
      this.#refreshAll(() => true);
    }
    const { fromMs, toMs } = this.#options.feed.heardOfPods;
    for (const [uid, { sinceMs }] of this.#unknown) {
      if (toMs - Math.max(fromMs, sinceMs) < FOREIGN_MS) continue;
      this.#unknown.delete(uid);
      if (this.#foreign.size < MOST_OTHERS) this.#foreign.add(uid);
      this.#changed = true;
    }
    if (!this.#changed) return;
    this.#changed = false;
    this.#tellChanged();
  }

  #tell(pod: number, cgroupPath: string): Identity {
    const told = this.#told.get(pod);
    const complete = told !== undefined && (cgroupPath === '' || told.cgroupPath === cgroupPath);
    return (complete ? told : this.#refresh(pod, cgroupPath)).identity;
  }

  #refresh(pod: number, seenAt = ''): ToldPod {
    const before = this.#told.get(pod);
    const cgroupPath = seenAt || (before?.cgroupPath ?? '');
    const here = cgroupPath !== '' || this.cluster.pods.table.node(pod) === this.#options.node;
    const { identity, key } = describePod(this.cluster, pod, { here, cgroupPath });
    if (before?.key === key) return before;
    const told: ToldPod = { identity, key, cgroupPath };
    this.#told.set(pod, told);
    if (before !== undefined) this.#news?.updated(identity);
    return told;
  }

  #refreshAll(concerned: (pod: number) => boolean): void {
    for (const pod of [...this.#told.keys()]) if (concerned(pod)) this.#refresh(pod);
  }

  #tellUnknown({ uid, path }: PodCgroup): Identity {
    const known = this.#unknown.get(uid);
    if (known !== undefined) return known.identity;
    const identity = unnamedPod(uid, path, this.#options.node);
    if (this.#unknown.size >= MOST_OTHERS) this.#unknown.clear();
    this.#unknown.set(uid, { identity, cgroupPath: path, sinceMs: this.#options.nowMs() });
    return identity;
  }

  /** The API server tells of a pod that has been seen. */
  #recognize(pod: number): void {
    const uid = this.cluster.pods.nodeUid(pod);
    const unknown = this.#unknown.get(uid);
    if (unknown === undefined) return;
    this.#unknown.delete(uid);
    this.#news?.updated(this.#refresh(pod, unknown.cgroupPath).identity);
  }

  #ofNode(node: KubernetesNode): Identity {
    const known = this.#nodes.get(node) ?? nodeIdentity(node, node.name === this.#options.node);
    this.#nodes.set(node, known);
    return known;
  }
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * 1000n;
}
