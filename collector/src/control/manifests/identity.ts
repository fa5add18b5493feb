/** Pods, services and nodes of files, for those who ask who is who: the same index that the API server feeds. */
import type { Cluster, ResourceName } from '../kubernetes/cluster.ts';
import type { Feed, Heard } from '../kubernetes/identity.ts';
import type { ResourceStatus } from '../kubernetes/watch.ts';
import type { KindName } from '../objects/kinds.ts';
import type { ObjectFollower, ObjectId, Refusal } from '../objects/source.ts';
import { checkIdentity } from './identity_schema.ts';
import type { ManifestSource } from './source.ts';

const RESOURCE_OF = {
  Pod: 'pods',
  Service: 'services',
  EndpointSlice: 'endpointslices',
  Node: 'nodes',
  Namespace: 'namespaces',
} as const satisfies Partial<Record<KindName, ResourceName>>;

/** Kinds that identity is taken from. */
export const IDENTITY_KINDS = Object.keys(RESOURCE_OF) as (keyof typeof RESOURCE_OF)[];

/** Pods that are remembered to have been deleted; beyond, one that comes back is known after five minutes. */
const MOST_DELETED = 10_000;

/** Fills an index from objects. */
export class IdentityFollower implements ObjectFollower {
  readonly #cluster: Cluster;
  /** UIDs of pods that are gone, which the index takes for ended once and for all. */
  readonly #deleted = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  check(id: ObjectId, object: unknown): Refusal | undefined {
    return checkIdentity(id, object);
  }

  take({ kind }: ObjectId, object: unknown): void {
    const sink = this.#cluster.sink(resourceOf(kind));
    // A file that is put back has the same pod in it; the API server never does that.
    if (kind === 'Pod' && this.#deleted.delete(uidOf(object))) sink.deleted({ metadata: metadataOf(object) });
    sink.changed(object);
  }

  delete({ kind }: ObjectId, object: unknown): void {
    const sink = this.#cluster.sink(resourceOf(kind));
    if (kind !== 'Pod') {
      sink.deleted(object);
      return;
    }
    // It has come to its end: nobody waits for a node to learn of it, as after a deletion by force.
    const { spec, status } = object as { readonly spec?: object; readonly status?: object };
    sink.deleted({ ...(object as object), spec: spec ?? {}, status: { ...status, phase: 'Succeeded' } });
    if (this.#deleted.size < MOST_DELETED) this.#deleted.add(uidOf(object));
  }

  settled(): void {
    // Each object counts as soon as it is told.
  }
}

/** A directory of manifests in the place of an API server. */
export class ManifestFeed implements Feed {
  readonly #source: ManifestSource;
  #startedMs = Number.POSITIVE_INFINITY;

  constructor(source: ManifestSource) {
    this.#source = source;
  }

  get synced(): boolean {
    return this.#source.isComplete;
  }

  /** What is written in files holds until they are written anew. */
  get heardOfPods(): Heard {
    return { fromMs: this.#startedMs, toMs: Date.now() };
  }

  async start(cluster: Cluster): Promise<void> {
    this.#source.follow(IDENTITY_KINDS, new IdentityFollower(cluster));
    await this.#source.start();
    this.#startedMs = Date.now();
  }

  close(): void {
    this.#source.close();
  }

  /** None: nobody is asked. */
  status(): ResourceStatus[] {
    return [];
  }
}

function resourceOf(kind: string): ResourceName {
  return RESOURCE_OF[kind as keyof typeof RESOURCE_OF];
}

function metadataOf(object: unknown): { readonly uid: string } {
  return (object as { metadata: { uid: string } }).metadata;
}

function uidOf(object: unknown): string {
  return metadataOf(object).uid;
}
