/** The workloads of a test: clients and servers on both nodes of a cluster, with the services that lead to them. */
import { eventually } from '../../../deploy/lab/wait.ts';
import type { KubernetesObject } from './api.ts';
import type { Cluster } from './cluster.ts';
import { TOOLBOX } from './node_files.ts';

export const NAMESPACE = 'shop';
/** Port of every node that leads to `far`. */
export const NODE_PORT = 30_080;

/** Port of the first node where `guard` listens. */
export const GUARD_PORT = 8088;

/** nginx that answers everything with the host's name, which is the pod's name unless it is in its node's network. */
function serve(port: number): object {
  const configuration = `daemon off; user root; worker_processes 1; pid /tmp/nginx.pid; error_log stderr;
    events {} http { access_log off; server { listen ${port}; location / { return 200 "$hostname"; } } }`;
  return {
    command: ['sh', '-c', `echo '${configuration}' >/tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf`],
    readinessProbe: { httpGet: { path: '/ready', port }, periodSeconds: 1 },
  };
}
const WAIT = ['sleep', 'infinity'];
/** Of each class of service, by which cgroups are named, there are pods; the rest is besteffort. */
const BURSTABLE = { resources: { requests: { memory: '16Mi' } } };
const GUARANTEED = { resources: { limits: { cpu: '200m', memory: '64Mi' } } };

/** Pods of the shop, by workload. */
export type Shop = Readonly<Record<'front' | 'near' | 'far' | 'agent' | 'guard', KubernetesObject>>;

function workload(kind: string, name: string, node: string, container: object, more: object = {}): object {
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec: {
      selector: { matchLabels: { app: name } },
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          nodeSelector: { 'kubernetes.io/hostname': node },
          containers: [{ name: `${name}-main`, image: TOOLBOX, imagePullPolicy: 'Never', ...container }],
          ...more,
        },
      },
    },
  };
}

function service(name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: 'far' }, ...spec },
  };
}

/**
 * Creates the shop and resolves when its pods are ready: Deployment `front` and StatefulSet `near` on the first node,
 * Deployment `far` on the second, DaemonSets `agent` and `guard` in the first one's network.
 */
export async function createShop(cluster: Cluster): Promise<Shop> {
  const { admin } = cluster;
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const hostNetwork = { hostNetwork: true };
  for (const object of [
    workload('Deployment', 'front', 'node1', { command: WAIT }),
    workload('StatefulSet', 'near', 'node1', { ...serve(80), ...BURSTABLE }),
    workload('Deployment', 'far', 'node2', { ...serve(80), ...GUARANTEED }),
    workload('DaemonSet', 'agent', 'node1', { command: WAIT }, hostNetwork),
    workload('DaemonSet', 'guard', 'node1', serve(GUARD_PORT), hostNetwork),
    service('far', { ports: [{ port: 8080, targetPort: 80 }] }),
    service('far-outside', { type: 'NodePort', ports: [{ port: 80, nodePort: NODE_PORT }] }),
  ]) {
    await admin.create(object);
  }
  const ready = async (app: string): Promise<KubernetesObject> => {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=app%3D${app}`;
    const { name } = await eventually(
      `a pod of ${app}`,
      async () => ((await admin.get(path)).items as KubernetesObject[])[0]?.metadata,
      60_000,
    );
    return cluster.ready(NAMESPACE, name);
  };
  const names = ['front', 'near', 'far', 'agent', 'guard'] as const;
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await ready(name)]))) as Shop;
}
