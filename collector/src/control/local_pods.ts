/**
 * The pods of this node, for those who act on their sockets and devices: which cgroups and which network namespace are
 * whose. A pod is told from its object on; its cgroup as soon as the kernel has told of it, and its devices when a process
 * runs in it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroups } from '../correlate/cgroups.ts';
import { podsOfCgroup } from './cgroup_path.ts';
import type { CgroupChange } from './identity.ts';
import { type NetworkDevice, namespaceNumber, networkDevices } from './network_devices.ts';
import type { ObjectFollower, ObjectId, ObjectSource } from './objects/source.ts';

/** A cgroup of a pod; those below it are the pod's, too. */
export interface LocalCgroup {
  /** Inode number of its directory. */
  readonly id: bigint;
  /** How far it is below the root of cgroups, from 1. */
  readonly level: number;
  /** Below the v2 mount, with a slash in front. */
  readonly path: string;
}

/** A network namespace of a pod's own. */
export interface LocalNamespace {
  /** `/proc/PID/ns/net` of a process in it; it holds as long as that process. */
  readonly path: string;
  /** What tells it from others. */
  readonly inode: bigint;
}

/** A pod of this node. Each change makes another object. */
export interface LocalPod {
  /** As the node knows it: of a static pod the hash of its configuration. */
  readonly uid: string;
  /** As its object has it. */
  readonly objectUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** It shares the network of its node. */
  readonly hostNetwork: boolean;
  /** Empty until the kernel has made one. */
  readonly cgroups: readonly LocalCgroup[];
  /** Undefined if no process runs in it, or it is the node's. */
  readonly netns: LocalNamespace | undefined;
  /** Devices in it but the loopback. */
  readonly devices: readonly NetworkDevice[];
}

export interface LocalPodsOptions {
  /** Name of this node at the API server. */
  readonly node: string;
  /** Where cgroup v2 is mounted; undefined: nowhere, and no pod has a cgroup. */
  readonly mount: string | undefined;
}

type Network = Pick<LocalPod, 'netns' | 'devices'>;

/** Of cgroup v2's root: fs/kernfs/dir.c. */
const ROOT_INODE = 1n;
const NO_NETWORK: Network = { netns: undefined, devices: [] };
/** How often a pod's network is looked at: until it has devices, and then. Milliseconds. */
const LOOK_MS = 1000;
const LOOK_AGAIN_MS = 10_000;
/** And this long after a container of it began or ended. */
const SOON_MS = 100;
/** Directories below a pod's that are looked into for a process. */
const MOST_DIRECTORIES = 256;

type Words = Readonly<Record<string, string>>;

/** What of a pod's object counts here; it is other people's JSON. */
interface Told {
  readonly metadata?: { uid?: unknown; labels?: unknown; annotations?: unknown } | null;
  readonly spec?: { nodeName?: unknown; hostNetwork?: unknown } | null;
  readonly status?: { phase?: unknown } | null;
}

function words(value: unknown): Words {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Knows them from what it is told; reads /proc and cgroups by itself. */
export class LocalPods {
  readonly #options: LocalPodsOptions;
  /** By the key of the object. */
  readonly #pods = new Map<string, LocalPod>();
  /** Cgroups of pods, by the UID that the node knows them by, then by path. */
  readonly #cgroups = new Map<string, Map<string, LocalCgroup>>();
  readonly #changed: (() => void)[] = [];
  readonly #lookedMs = new Map<string, number>();
  readonly #ownInode: bigint;
  #soon: NodeJS.Timeout | undefined;

  constructor(options: LocalPodsOptions) {
    this.#options = options;
    this.#ownInode = statSync('/proc/self/ns/net', { bigint: true }).ino;
    if (options.mount === undefined) return;
    const cgroups = new Cgroups(options.mount);
    cgroups.walk(0);
    for (const path of cgroups.paths()) this.cgroup(path, 'there');
  }

  /** Whether the mount shows the root of all cgroups: else the levels of cgroups are not those that the kernel counts. */
  get seesRoot(): boolean {
    const { mount } = this.#options;
    return mount !== undefined && statSync(mount, { bigint: true, throwIfNoEntry: false })?.ino === ROOT_INODE;
  }

  /** Those that run on this node, or will. */
  get pods(): Iterable<LocalPod> {
    return this.#pods.values();
  }

  /** To be called before the source is started. */
  follow(source: Pick<ObjectSource, 'follow'>): void {
    const follower: ObjectFollower = {
      check: () => undefined,
      take: (id, object) => this.#take(id, object as Told),
      delete: (id) => this.#delete(id),
      settled: () => undefined,
    };
    source.follow(['Pod'], follower);
  }

  /** @param changed called after each change of a pod: what it is, its cgroups, its network */
  onChange(changed: () => void): void {
    this.#changed.push(changed);
  }

  /** Takes what the kernel tells. @param path below the v2 mount */
  cgroup(path: string, change: CgroupChange): void {
    for (const { uid, path: podPath } of podsOfCgroup(path)) {
      const known = this.#cgroups.get(uid);
      if (path !== podPath) {
        // A container begins or ends: its process may be the first, or may have been the one that was known.
        this.#lookSoon(uid);
        continue;
      }
      const cgroup = change === 'removed' ? undefined : this.#cgroupAt(path);
      if (cgroup === undefined) known?.delete(path);
      else if (known === undefined) this.#cgroups.set(uid, new Map([[path, cgroup]]));
      else known.set(path, cgroup);
      if (this.#cgroups.get(uid)?.size === 0) this.#cgroups.delete(uid);
      this.#refresh(uid);
    }
  }

  /** Once a second: looks for networks. @param nowMs of performance.now() */
  tick(nowMs: number): void {
    for (const [key, pod] of this.#pods) {
      if (pod.hostNetwork || pod.cgroups.length === 0) continue;
      const pauseMs = pod.devices.length > 0 ? LOOK_AGAIN_MS : LOOK_MS;
      if (nowMs - (this.#lookedMs.get(pod.uid) ?? Number.NEGATIVE_INFINITY) < pauseMs) continue;
      this.#lookedMs.set(pod.uid, nowMs);
      this.#replace(key, { ...pod, ...this.#networkOf(pod) });
    }
  }

  close(): void {
    clearTimeout(this.#soon);
  }

  #take(id: ObjectId, { metadata, spec, status }: Told): void {
    const key = `${id.namespace}/${id.name}`;
    const isHere = spec?.nodeName === this.#options.node && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
    if (!isHere) {
      this.#delete(id);
      return;
    }
    const annotations = words(metadata?.annotations);
    // A static pod's mirror has another UID than the node knows the pod by.
    const objectUid = String(metadata?.uid ?? '');
    const uid = annotations['kubernetes.io/config.hash']?.toLowerCase() ?? objectUid;
    const before = this.#pods.get(key);
    this.#replace(key, {
      ...{ uid, objectUid, namespace: id.namespace, name: id.name },
      ...{ labels: words(metadata?.labels), annotations, hostNetwork: spec?.hostNetwork === true },
      cgroups: this.#cgroupsOf(uid),
      ...(before?.uid === uid ? { netns: before.netns, devices: before.devices } : NO_NETWORK),
    });
  }

  #delete({ namespace, name }: ObjectId): void {
    const key = `${namespace}/${name}`;
    const known = this.#pods.get(key);
    if (known === undefined) return;
    this.#lookedMs.delete(known.uid);
    this.#pods.delete(key);
    this.#tell();
  }

  #cgroupsOf(uid: string): readonly LocalCgroup[] {
    return [...(this.#cgroups.get(uid)?.values() ?? [])];
  }

  #refresh(uid: string): void {
    this.#lookSoon(uid);
    for (const [key, pod] of this.#pods)
      if (pod.uid === uid) this.#replace(key, { ...pod, cgroups: this.#cgroupsOf(uid) });
  }

  #lookSoon(uid: string): void {
    this.#lookedMs.delete(uid);
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.tick(performance.now());
    }, SOON_MS).unref();
  }

  #replace(key: string, pod: LocalPod): void {
    const before = this.#pods.get(key);
    if (before !== undefined && textOf(before) === textOf(pod)) return;
    this.#pods.set(key, pod);
    this.#tell();
  }

  #tell(): void {
    for (const changed of this.#changed) changed();
  }

  #cgroupAt(path: string): LocalCgroup | undefined {
    try {
      const id = statSync(join(this.#options.mount ?? '', path), { bigint: true }).ino;
      return { id, level: path.split('/').length - 1, path };
    } catch {
      return undefined;
    }
  }

  #networkOf({ cgroups, netns, devices }: LocalPod): Network {
    for (const { path } of cgroups) {
      for (const pid of processesIn(join(this.#options.mount ?? '', path))) {
        const found = `/proc/${pid}/ns/net`;
        try {
          const inode = statSync(found, { bigint: true }).ino;
          if (inode === this.#ownInode) return NO_NETWORK;
          const all = networkDevices(namespaceNumber(found)).filter(({ isLoopback }) => !isLoopback);
          const same = inode === netns?.inode && isThere(netns.path, inode);
          return { netns: same ? netns : { path: found, inode }, devices: all };
        } catch {
          // The process is gone: the next one tells the same.
        }
      }
    }
    return netns !== undefined && isThere(netns.path, netns.inode) ? { netns, devices } : NO_NETWORK;
  }
}

function isThere(path: string, inode: bigint): boolean {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === inode;
}

/** Processes of a cgroup and of those below it, one after the other as they are asked for. */
function* processesIn(root: string): Generator<string> {
  const waiting = [root];
  for (let looked = 0; waiting.length > 0 && looked < MOST_DIRECTORIES; looked += 1) {
    const directory = waiting.shift() as string;
    try {
      yield* readFileSync(join(directory, 'cgroup.procs'), 'utf8')
        .split('\n')
        .filter((pid) => pid !== '' && pid !== '0');
      for (const entry of readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory()) waiting.push(join(directory, entry.name));
    } catch {
      // It is gone by now.
    }
  }
}

/** Two pods that say the same are the same. */
function textOf(pod: LocalPod): string {
  return JSON.stringify(pod, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}
