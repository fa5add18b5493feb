/** Whether Kubernetes is asked, and the parts that do it. */
import { accessSync } from 'node:fs';
import type { Logger } from 'pino';
import { VERSION } from '../../version.ts';
import { KubernetesIdentity } from './identity.ts';
import { KubernetesWatch } from './watch.ts';

export interface KubernetesConfig {
  readonly enabled: string;
  readonly kubeconfig: string;
  readonly context: string;
  readonly node_name: string;
}

/** Kubernetes as a source of identity, and how it stands. */
export interface Kubernetes {
  readonly identity: KubernetesIdentity;
  readonly watch: KubernetesWatch;
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
  const { enabled, kubeconfig, context, node_name } = config;
  if (enabled === 'off' || (enabled === 'auto' && kubeconfig === '' && !inPod(env))) return undefined;
  const watch = new KubernetesWatch({ kubeconfig, context, version: VERSION, log });
  return { identity: new KubernetesIdentity({ node: node_name || node, feed: watch, nowMs: Date.now }), watch };
}
