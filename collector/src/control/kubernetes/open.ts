/** Whether Kubernetes is asked, and the parts that do it. */
import { accessSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import { giveBackMemory } from '../../../native/addon.ts';
import type { Config } from '../../config.ts';
import { stepsWanted } from '../../config_dataplane.ts';
import type { Delivery } from '../../deliver/delivery.ts';
import { cgroupMount } from '../../machine.ts';
import type { Scope } from '../../rows.ts';
import { VERSION } from '../../version.ts';
import { LocalPods } from '../local_pods.ts';
import { ManifestFeed } from '../manifests/identity.ts';
import { openManifests } from '../manifests/open.ts';
import type { ManifestSource } from '../manifests/source.ts';
import { kindsFor } from '../objects/kinds.ts';
import type { ObjectSource } from '../objects/source.ts';
import { WatchedObjects } from '../objects/watched.ts';
import { readAddressesBack } from './address_history.ts';
import { KubernetesIdentity } from './identity.ts';
import { KubernetesWatch } from './watch.ts';

/** Kubernetes as a source of identity, and how it stands. */
export interface Kubernetes {
  readonly identity: KubernetesIdentity;
  /** Where it comes from: the API server, or files. */
  readonly watch: Pick<KubernetesWatch, 'synced' | 'status'>;
  /** The objects themselves, for those who act on them; to be followed before the identity is synced. */
  readonly objects: ObjectSource;
  /** Pods of this node; undefined where no step of the data plane is wanted. */
  readonly localPods: LocalPods | undefined;
  /** Undefined where there is no directory of them. */
  readonly manifests: Pick<ManifestSource, 'status'> | undefined;
  /** Learns what earlier runs have written, once ClickHouse can be reached; resolved when it is told to stop. */
  readBack(parts: ReadBackParts, signal: AbortSignal): Promise<void>;
}

export interface ReadBackParts {
  readonly client: Pick<ClickHouseClient, 'query'>;
  readonly scope: Scope;
  /** When this run began to watch, nanoseconds since the epoch. */
  readonly startedNs: bigint;
  readonly nowNs: () => bigint;
  readonly delivery: Pick<Delivery, 'waitingSinceMs'>;
  readonly log: Logger;
}

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Whether this runs in a pod that has a service account of its own. */
function inPod(env: Readonly<Record<string, string | undefined>>): boolean {
  if (!env.KUBERNETES_SERVICE_HOST) return false;
  try {
    accessSync(TOKEN);
    return true;
  } catch {
    return false;
  }
}

/** Keys of the configuration that say whether and how Kubernetes' objects are known. */
export type KubernetesKeys = Pick<Config, 'kubernetes' | 'manifests' | 'dataplane' | 'node' | 'data_dir'>;

/** Whether there is an API server to be asked, or a directory of manifests in its place. */
export function knowsObjects(
  { kubernetes, manifests }: Pick<KubernetesKeys, 'kubernetes' | 'manifests'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { enabled, kubeconfig } = kubernetes;
  return manifests !== '' || enabled === 'on' || (enabled === 'auto' && (kubeconfig !== '' || inPod(env)));
}

/**
 * Makes the parts; nothing is asked before the identity is started. What the steps of the data plane need is watched, too.
 * @returns undefined where there is neither an API server to be asked nor a directory of manifests in its place
 */
export function openKubernetes(
  config: KubernetesKeys,
  log: Logger,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Kubernetes | undefined {
  const { kubeconfig, context, node_name, watch_silence_s } = config.kubernetes;
  if (!knowsObjects(config, env)) return undefined;
  const manifests = openManifests(config, log);
  const steps = stepsWanted(config.dataplane);
  const timing = { watchSilenceMs: watch_silence_s * 1000 };
  const server = { kubeconfig, context, version: VERSION, log, timing, tidy: giveBackMemory };
  const objects = new WatchedObjects(kindsFor(steps), log);
  const feed = manifests === undefined ? new KubernetesWatch({ ...server, objects }) : new ManifestFeed(manifests);
  const mount = cgroupMount();
  const cgroupIsThere = (path: string) => mount !== undefined && existsSync(join(mount, path));
  const own = { node: node_name || config.node, nowMs: Date.now, cgroupIsThere };
  const identity = new KubernetesIdentity({ ...own, feed });
  const source = manifests ?? objects;
  const localPods = steps.length === 0 ? undefined : new LocalPods({ node: own.node, mount });
  localPods?.follow(source);
  identity.onCgroup((path, change) => localPods?.cgroup(path, change));
  return {
    identity,
    watch: feed,
    objects: source,
    localPods,
    manifests,
    readBack({ delivery, scope, ...parts }, signal) {
      const startedMs = Number(parts.startedNs / 1_000_000n);
      const isKnown = () => feed.synced && (delivery.waitingSinceMs() ?? startedMs) >= startedMs;
      const goneNodes = () => identity.goneNodes();
      return readAddressesBack({ ...parts, ...scope, addresses: identity.ownAddresses, isKnown, goneNodes }, signal);
    },
  };
}
