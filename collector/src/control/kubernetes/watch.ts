/** Watches all that a cluster's index is made of, each resource by a reflector of its own. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ReflectedKind } from '../objects/reflected.ts';
import type { WatchedObjects } from '../objects/watched.ts';
import { KubernetesApi } from './api.ts';
import { type Cluster, RESOURCES, type ResourceName } from './cluster.ts';
import { Credentials } from './credentials.ts';
import { NODE_FIELDS, OWNED_FIELDS, POD_FIELDS, SERVICE_FIELDS, SLICE_FIELDS } from './fields.ts';
import type { Feed, Heard } from './identity.ts';
import { Reflector } from './reflector.ts';
import type { ReflectorState, ReflectorTiming, Resource } from './resource.ts';

export interface WatchOptions {
  /** Path of a kubeconfig; empty: the service account of the pod this runs in. */
  readonly kubeconfig: string;
  /** Its context; empty: the current one. */
  readonly context: string;
  readonly version: string;
  readonly log: Logger;
  /** Longest that the start of the collector waits for the first lists, milliseconds. */
  readonly patienceMs?: number;
  readonly timing?: Partial<ReflectorTiming>;
  /** Called a while after a full list, more than once: what it passed through can be given back by then. */
  readonly tidy?: () => void;
  /** Objects that are wanted for more than who is who. */
  readonly objects?: WatchedObjects;
}

/** How one resource stands. */
export interface ResourceStatus extends ReflectorState {
  readonly resource: string;
  readonly objects: number;
}

/** What is asked for of each. */
export const WATCHED: Readonly<Record<ResourceName, Resource>> = {
  pods: { path: '/api/v1/pods', fields: POD_FIELDS },
  services: { path: '/api/v1/services', fields: SERVICE_FIELDS },
  endpointslices: { path: '/apis/discovery.k8s.io/v1/endpointslices', fields: SLICE_FIELDS },
  nodes: { path: '/api/v1/nodes', fields: NODE_FIELDS },
  namespaces: { path: '/api/v1/namespaces', metadataOnly: true, fields: OWNED_FIELDS },
  replicasets: { path: '/apis/apps/v1/replicasets', metadataOnly: true, fields: OWNED_FIELDS },
  jobs: { path: '/apis/batch/v1/jobs', metadataOnly: true, fields: OWNED_FIELDS },
};
const PATIENCE_MS = 2000;
const LOOK_MS = 20;
/** A list's garbage is collected some time, and what it held is free then. */
const TIDY_MS = [10_000, 60_000, 300_000];

/** The API server's news, for one index. */
export class KubernetesWatch implements Feed {
  readonly #options: WatchOptions;
  readonly #api: KubernetesApi;
  readonly #stopping = new AbortController();
  readonly #reflectors = new Map<ResourceName, Reflector>();
  /** Of what the index is not made of. */
  readonly #others = new Map<string, { readonly reflector: Reflector; readonly sink: ReflectedKind }>();
  #cluster: Cluster | undefined;
  #tidying: NodeJS.Timeout[] = [];

  constructor(options: WatchOptions) {
    const { kubeconfig, context, version } = options;
    this.#options = options;
    const chosen = { kubeconfig: kubeconfig || undefined, context: context || undefined };
    this.#api = new KubernetesApi(new Credentials(chosen), `flowspan-collector/${version}`);
  }

  get synced(): boolean {
    return this.#reflectors.size > 0 && [...this.#reflectors.values()].every(({ state }) => state.synced);
  }

  get heardOfPods(): Heard {
    const { watchedSinceMs = Number.POSITIVE_INFINITY, lastEventMs = 0 } = this.#reflectors.get('pods')?.state ?? {};
    return { fromMs: watchedSinceMs, toMs: lastEventMs };
  }

  async start(cluster: Cluster): Promise<void> {
    this.#cluster = cluster;
    const { log, objects, timing = {}, patienceMs = PATIENCE_MS } = this.#options;
    const { signal } = this.#stopping;
    const shared = { api: this.#api, log, timing, listed: () => this.#tidyLater() };
    for (const name of RESOURCES) {
      const plain = { resource: WATCHED[name], sink: cluster.sink(name) };
      const wanted = objects?.widened(name, plain.resource, plain.sink) ?? plain;
      const reflector = new Reflector({ ...shared, ...wanted });
      this.#reflectors.set(name, reflector);
      void reflector.start(signal);
    }
    for (const { kind, plural, resource, sink } of objects?.others() ?? []) {
      const reflector = new Reflector({ ...shared, resource, sink });
      this.#others.set(plural, { reflector, sink });
      objects?.watching(kind, reflector.state);
      void reflector.start(signal);
    }
    const untilMs = performance.now() + patienceMs;
    while (!this.synced && !signal.aborted && performance.now() < untilMs) await wait(LOOK_MS);
    if (!this.synced) log.warn('the API server has not told all yet: names of pods come later');
  }

  #tidyLater(): void {
    this.#tidying.forEach(clearTimeout);
    if (this.#stopping.signal.aborted) return;
    this.#tidying = TIDY_MS.map((ms) => setTimeout(() => this.#options.tidy?.(), ms).unref());
  }

  close(): void {
    this.#tidying.forEach(clearTimeout);
    this.#stopping.abort();
    this.#options.objects?.close();
    this.#api.close();
  }

  /** How each resource stands. */
  status(): ResourceStatus[] {
    const counts = this.#cluster?.counts();
    return [
      ...[...this.#reflectors].map(([resource, { state }]) => ({
        resource,
        objects: counts?.[resource] ?? 0,
        ...state,
      })),
      ...[...this.#others].map(([resource, { reflector, sink }]) => ({
        ...{ resource, objects: sink.conditions().length },
        ...reflector.state,
      })),
    ];
  }
}
