/** All that is kept of a cluster: fed object by object by the reflectors, asked by `KubernetesIdentity`. */
import type { Words } from './addresses.ts';
import { Claims } from './claims.ts';
import { Nodes } from './nodes.ts';
import { type OwnedObject, readNode, readOwned, readPod, readService, readSlice } from './objects.ts';
import type { PodCommon } from './pod_table.ts';
import { Pods } from './pods.ts';
import type { ResourceSink } from './resource.ts';
import { Services } from './services.ts';
import { Texts } from './texts.ts';
import { type Workload, Workloads } from './workloads.ts';

/** What is watched. ReplicaSets, Jobs and Namespaces may be metadata only. */
export const RESOURCES = ['pods', 'services', 'endpointslices', 'nodes', 'namespaces', 'replicasets', 'jobs'] as const;
export type ResourceName = (typeof RESOURCES)[number];

/** Told of what changed, at once. */
export interface ClusterListener {
  podChanged(pod: number): void;
  /** @param ms when, milliseconds since the epoch */
  podEnded(pod: number, ms: number): void;
  /** Its number may be another pod's from now on. */
  podForgotten(pod: number): void;
  /** A ReplicaSet or Job is known of which a pod had been taken up before. */
  ownerKnown(): void;
  /** A node has another zone. */
  nodeMoved(node: string): void;
}

/** Namespace whose UID stands for the cluster's. */
const SYSTEM_NAMESPACE = 'kube-system';

/** The index of one cluster. */
export class Cluster {
  readonly pods: Pods;
  /** Which pod has which address. */
  readonly claims = new Claims();
  readonly services = new Services();
  readonly nodes = new Nodes();
  readonly workloads = new Workloads();
  /** What the texts of pods take: how many different there are. */
  readonly texts = new Texts();
  /** UID of the cluster; empty if not known. */
  uid = '';
  /** Objects that could not be read. */
  unreadable = 0;
  readonly #namespaces = new Map<string, string>();
  /** UIDs of the ReplicaSets and Jobs that are there. */
  readonly #owners = { replicasets: new Set<string>(), jobs: new Set<string>() };
  readonly #listener: ClusterListener;
  readonly #nowMs: () => number;

  /** @param nowMs wall-clock time, milliseconds since the epoch */
  constructor(listener: ClusterListener, nowMs: () => number) {
    this.#listener = listener;
    this.#nowMs = nowMs;
    const podsListener = {
      changed: (pod: number) => listener.podChanged(pod),
      ended: (pod: number, ms: number) => listener.podEnded(pod, ms),
      forgotten: (pod: number) => listener.podForgotten(pod),
    };
    this.pods = new Pods(this.texts, podsListener, this.claims);
  }

  /** Objects that are kept, by resource: of ReplicaSets those that are no Deployment's by their name. */
  counts(): Record<ResourceName, number> {
    return {
      pods: this.pods.count,
      services: this.services.count,
      endpointslices: this.services.sliceCount,
      nodes: this.nodes.count,
      namespaces: this.#namespaces.size,
      replicasets: this.#owners.replicasets.size,
      jobs: this.#owners.jobs.size,
    };
  }

  /** Where the reflector of a resource tells what it hears. */
  sink(resource: ResourceName): ResourceSink {
    switch (resource) {
      case 'pods':
        return this.#podSink();
      case 'services':
        return this.#keyedSink(readService, keyOf, () => this.services.serviceKeys(), {
          take: (service) => this.services.take(service),
          drop: (key) => this.services.delete(namedBy(key)),
        });
      case 'endpointslices':
        return this.#keyedSink(readSlice, keyOf, () => this.services.sliceKeys(), {
          take: (slice) => this.services.takeSlice(slice, this.#moved),
          drop: (key) => this.services.deleteSlice(namedBy(key), this.#moved),
        });
      case 'nodes':
        return this.#keyedSink(readNode, nameOf, () => this.nodes.names(), {
          take: (node) => {
            if (this.nodes.take(node)) this.#listener.nodeMoved(node.name);
          },
          drop: (name) => this.nodes.delete(name),
        });
      case 'namespaces':
        return this.#keyedSink(readOwned, nameOf, () => this.#namespaces.keys(), {
          take: ({ name, uid }) => {
            this.#namespaces.set(name, uid);
            if (name === SYSTEM_NAMESPACE) this.uid = uid;
          },
          drop: (name) => this.#namespaces.delete(name),
        });
      case 'replicasets':
      case 'jobs':
        return this.#ownerSink(this.#owners[resource]);
    }
  }

  /** The workload of a pod. */
  workload(pod: number, { owner, labels }: PodCommon): Workload {
    const { table } = this.pods;
    const isStatic = this.pods.isStatic(pod);
    return this.workloads.of({ name: table.name(pod), node: table.node(pod), owner, isStatic, labels });
  }

  /** Names of the services of its namespace that lead to a pod, sorted. */
  servicesOf(pod: number): string[] {
    const names = new Set<string>();
    this.pods.eachAddress(pod, (words) => this.services.leadingTo(words, names));
    return [...names].sort();
  }

  /** Forgets what ended long ago; to be called now and then. */
  forget(): void {
    this.pods.forget(this.#nowMs());
    this.workloads.forget(this.#nowMs());
  }

  readonly #moved = (words: Words): void => {
    const pod = this.pods.nowAt(words);
    if (pod !== 0) this.#listener.podChanged(pod);
  };

  #podSink(): ResourceSink {
    const { pods } = this;
    const take = (object: unknown) => {
      const pod = this.#read(readPod, object);
      if (pod !== undefined) pods.take(pod, this.#nowMs());
    };
    return {
      begin: () => pods.beginList(this.#nowMs()),
      item: take,
      end: () => pods.endList(),
      changed: take,
      deleted: (object) => {
        const pod = this.#read(readPod, object);
        if (pod === undefined) return;
        if (isWhole(object)) pods.delete(pod, this.#nowMs());
        else pods.lose(pod.uid);
      },
    };
  }

  #ownerSink(uids: Set<string>): ResourceSink {
    return this.#keyedSink(
      readOwned,
      ({ uid }) => uid,
      () => uids,
      {
        take: (object: OwnedObject) => {
          const isNew = !uids.has(object.uid);
          if (!this.workloads.take(object)) return;
          uids.add(object.uid);
          if (isNew) this.#listener.ownerKnown();
        },
        drop: (uid) => {
          uids.delete(uid);
          this.workloads.delete(uid, this.#nowMs());
        },
      },
    );
  }

  /** A sink for objects that are told apart by a key, and of which those that a list does not have are gone. */
  #keyedSink<T>(
    read: (object: unknown) => T | undefined,
    keyOfObject: (object: T) => string,
    keys: () => Iterable<string>,
    { take, drop }: { take(object: T): void; drop(key: string): void },
  ): ResourceSink {
    let listed: Set<string> | undefined;
    const changed = (object: unknown) => {
      const known = this.#read(read, object);
      if (known === undefined) return;
      listed?.add(keyOfObject(known));
      take(known);
    };
    return {
      begin() {
        listed = new Set();
      },
      item: changed,
      end() {
        const gone = [...keys()].filter((key) => !listed?.has(key));
        listed = undefined;
        for (const key of gone) drop(key);
      },
      changed,
      deleted: (object) => {
        const known = this.#read(read, object);
        if (known !== undefined) drop(keyOfObject(known));
      },
    };
  }

  #read<T>(read: (object: unknown) => T | undefined, object: unknown): T | undefined {
    const known = read(object);
    if (known === undefined) this.unreadable += 1;
    return known;
  }
}

/** Of an object that became too large to be read, reflectors tell the metadata only. */
function isWhole(object: unknown): boolean {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, 'spec');
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** The other way round; names have no slash in them. */
function namedBy(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
