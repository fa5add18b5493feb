/** Whether Kubernetes is asked, and the parts that do it. */
import { accessSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from 'pino';
import { giveBackMemory } from '../../../native/addon.ts';
import type { Delivery } from '../../deliver/delivery.ts';
import { cgroupMount } from '../../machine.ts';
import type { Scope } from '../../rows.ts';
import { VERSION } from '../../version.ts';
import { readAddressesBack } from './address_history.ts';
import { KubernetesIdentity } from './identity.ts';
import { KubernetesWatch } from './watch.ts';

export interface KubernetesConfig {
  readonly enabled: string;
  readonly kubeconfig: string;
  readonly context: string;
  readonly node_name: string;
  readonly watch_silence_s: number;
}

/** Kubernetes as a source of identity, and how it stands. */
export interface Kubernetes {
  readonly identity: KubernetesIdentity;
  readonly watch: KubernetesWatch;
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

/**
 * Makes the parts; nothing is asked before the identity is started.
 * @param node name of this node where the configuration has none for Kubernetes
 * @returns undefined where Kubernetes is not to be asked
 */
export function openKubernetes(
  config: KubernetesConfig,
  node: string,
  log: Logger,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Kubernetes | undefined {
  const { enabled, kubeconfig, context, node_name, watch_silence_s } = config;
  if (enabled === 'off' || (enabled === 'auto' && kubeconfig === '' && !inPod(env))) return undefined;
  const timing = { watchSilenceMs: watch_silence_s * 1000 };
  const watch = new KubernetesWatch({ kubeconfig, context, version: VERSION, log, timing, tidy: giveBackMemory });
  const mount = cgroupMount();
  const cgroupIsThere = (path: string) => mount !== undefined && existsSync(join(mount, path));
  const own = { node: node_name || node, nowMs: Date.now, cgroupIsThere };
  const identity = new KubernetesIdentity({ ...own, feed: watch });
  return {
    identity,
    watch,
    readBack({ delivery, scope, ...parts }, signal) {
      const startedMs = Number(parts.startedNs / 1_000_000n);
      const isKnown = () => watch.synced && (delivery.waitingSinceMs() ?? startedMs) >= startedMs;
      const goneNodes = () => identity.goneNodes();
      return readAddressesBack({ ...parts, ...scope, addresses: identity.ownAddresses, isKnown, goneNodes }, signal);
    },
  };
}
