/** What is in force: from manifests, or from the API server. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KubernetesApi } from '../../../collector/src/control/kubernetes/api.ts';
import { type CredentialOptions, Credentials } from '../../../collector/src/control/kubernetes/credentials.ts';
import { ApiFailure } from '../../../collector/src/control/kubernetes/failure.ts';
import type { Kind } from '../../../collector/src/control/objects/kinds.ts';
import type { Condition } from '../../../collector/src/control/objects/source.ts';
import { WANTED } from '../../src/policy/objects.ts';
import { readManifests } from '../manifests.ts';
import type { PolicyCommand } from './flags.ts';

/** Objects, and where they are from, for people. */
export interface InForce {
  /** undefined: nothing is in force. */
  readonly objects: readonly unknown[] | undefined;
  readonly from: string;
  /** Of objects that are refused before anybody asks what they say. */
  readonly conditions?: readonly Condition[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Path of the list of a kind; a cluster may be without those of groups that it has to be taught. */
const pathOf = ({ group, version, plural }: Kind) =>
  group === '' ? `/api/${version}/${plural}` : `/apis/${group}/${version}/${plural}`;
const BUILT_IN = ['', 'networking.k8s.io'];
const PAGE = '500';
const SILENCE_MS = 10_000;

interface Page {
  readonly apiVersion?: string;
  readonly metadata?: { readonly continue?: string };
  readonly items?: readonly object[];
}

async function page(api: KubernetesApi, path: string, from: string, signal: AbortSignal): Promise<Page> {
  const query = { limit: PAGE, ...(from === '' ? {} : { continue: from }) };
  const traffic = { requests: 0, bytes: 0 };
  const asked = { query, accept: 'application/json', silenceMs: SILENCE_MS, signal, traffic };
  return JSON.parse(Buffer.concat(await Array.fromAsync(await api.get(path, asked))).toString()) as Page;
}

/** Of a pod what policies ask for; whole ones of a large cluster would not fit into a question. */
function pruned(kind: string, object: object): object {
  const { metadata = {}, spec = {}, ...rest } = object as Record<string, Record<string, unknown>>;
  const { name, namespace, uid, labels } = metadata;
  const named = { ...rest, metadata: { name, namespace, uid, labels } };
  if (kind !== 'Pod') return kind === 'Namespace' ? { kind, metadata: named.metadata } : { ...named, spec };
  const ports = (list: unknown) =>
    (Array.isArray(list) ? list : []).map((one: Record<string, unknown>) => ({
      ports: one.ports,
      restartPolicy: one.restartPolicy,
    }));
  const { hostNetwork, nodeName, serviceAccountName, containers, initContainers } = spec;
  return {
    ...{ kind, metadata: named.metadata },
    spec: {
      hostNetwork,
      nodeName,
      serviceAccountName,
      containers: ports(containers),
      initContainers: ports(initContainers),
    },
  };
}

async function listed(options: CredentialOptions): Promise<readonly unknown[]> {
  const credentials = new Credentials(options);
  const { signal } = new AbortController();
  try {
    const api = new KubernetesApi(credentials, 'flowspan policy check');
    const objects: unknown[] = [];
    for (const kind of WANTED) {
      try {
        for (let from: string | undefined = ''; from !== undefined; ) {
          const { apiVersion = '', items = [], metadata }: Page = await page(api, pathOf(kind), from, signal);
          for (const item of items) objects.push(pruned(kind.kind, { ...item, kind: kind.kind, apiVersion }));
          from = metadata?.continue || undefined;
        }
      } catch (error) {
        if (BUILT_IN.includes(kind.group) || !(error instanceof ApiFailure) || error.status !== 404) throw error;
      }
    }
    return objects;
  } finally {
    credentials.close();
  }
}

/** A kubeconfig, or the service account of the pod this runs in, if there is one. */
function credentialsOf({ kubeconfig, context }: PolicyCommand, env: Environment): CredentialOptions | undefined {
  const usual = env.KUBECONFIG || join(env.HOME ?? homedir(), '.kube/config');
  const path = kubeconfig ?? (existsSync(usual) ? usual : undefined);
  if (path !== undefined) return { kubeconfig: path, context };
  return env.KUBERNETES_SERVICE_HOST === undefined ? undefined : {};
}

/**
 * Finds out what is in force.
 * @throws FlowspanError FLOW_POLICY_MANIFESTS, or what the API server's client throws if --kubeconfig says to ask it
 */
export async function readInForce(command: PolicyCommand, env: Environment): Promise<InForce> {
  const { manifests, kubeconfig } = command;
  if (manifests !== undefined) {
    const kinds = WANTED.map(({ kind }) => kind);
    return { ...(await readManifests(manifests, 'FLOW_POLICY_MANIFESTS', kinds)), from: manifests };
  }
  const credentials = credentialsOf(command, env);
  if (credentials === undefined)
    return { objects: undefined, from: 'nothing: there is neither --manifests nor a kubeconfig' };
  try {
    return {
      objects: await listed(credentials),
      from: `the API server (${credentials.kubeconfig ?? 'service account'})`,
    };
  } catch (error) {
    if (kubeconfig !== undefined) throw error;
    return { objects: undefined, from: `nothing: ${(error as Error).message}` };
  }
}
