/** A real cluster of nodes in namespaces on this machine; the first node holds the control plane. Needs root. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { removeNow, uniqueName } from '../../../deploy/lab/registry.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../flowspan.ts';
import { connectApi, type KubernetesApi, type KubernetesObject } from './api.ts';
import { apiServerWords, controllerManagerWords, etcdWords, schedulerWords } from './command_lines.ts';
import { program } from './find.ts';
import { type Keys, makeKeys, writeKubeconfig } from './keys.ts';
import { createLegacyCgroups, removeLegacyCgroups } from './legacy_cgroups.ts';
import { createNode, type Node } from './node.ts';

const TIMEOUT_MS = 90_000;
/** Port of the API server on the first node, as usual. */
const PORT = 6443;

/** A running cluster. */
export interface Cluster {
  /** The API server at the first node's address, which this machine reaches as well. */
  readonly url: string;
  /** Address of this machine, outside of the cluster, as its nodes reach it. */
  readonly machineAddress: string;
  /** Address of the API server inside the cluster. */
  readonly serviceAddress: string;
  readonly keys: Keys;
  readonly admin: KubernetesApi;
  readonly kubeconfig: string;
  readonly nodes: readonly Node[];
  /** The cgroup that holds every process of the cluster: one cgroup per node below it. */
  readonly cgroup: Cgroup;
  node(name: string): Node;
  /** Writes a kubeconfig file for a token, in the place of the one before, and returns its path. */
  tokenKubeconfig(token: string): string;
  /** Resolves with a pod when all its containers are ready. */
  ready(namespace: string, name: string): Promise<KubernetesObject>;
  /** Runs a program in the first container of a pod. */
  exec(pod: KubernetesObject, command: readonly string[]): Promise<string>;
  output(): string;
  stop(): Promise<void>;
}

/** How the cgroups of a node are laid out, and those of its pods named. */
export interface NodeStyle {
  /** cgroup v2 alone, or v1 hierarchies beside it (whyNoHybrid() says where that cannot be). */
  readonly layout: 'unified' | 'hybrid';
  readonly names: 'cgroupfs' | 'systemd';
}

/** Styles of two nodes where nothing else is asked for. */
const STYLES: readonly NodeStyle[] = [
  { layout: 'unified', names: 'cgroupfs' },
  { layout: 'unified', names: 'systemd' },
];

/**
 * Starts a cluster with a node of each style, `node1` and so on, and resolves when they are ready. Everything is removed
 * at the process's end.
 */
export async function startCluster(styles: readonly NodeStyle[] = STYLES): Promise<Cluster> {
  const names = styles.map((_, index) => `node${index + 1}`);
  const folder = temporaryFolder();
  const legacy = styles.some(({ layout }) => layout === 'hybrid') ? createLegacyCgroups() : [];
  const cgroup = createCgroup();
  const network = `10.99.${process.pid % 250}`;
  const addresses = names.map((_, index) => `${network}.${index + 1}`);
  const [first = ''] = addresses;
  const url = `https://${first}:${PORT}`;
  const keys = makeKeys(join(folder, 'keys'));
  keys.sign('apiserver', '/CN=kube-apiserver', [
    `subjectAltName=IP:127.0.0.1,IP:${first},IP:10.96.0.1,DNS:localhost`,
    'extendedKeyUsage=serverAuth',
  ]);
  const kubeconfig = keys.kubeconfig('admin', url);
  const admin = connectApi(url, keys, { certificate: 'admin' });
  const nodes: Node[] = [];
  const fabric = createNamespace();
  const output = (): string => nodes.map((each) => each.output()).join('\n');
  const stop = async (): Promise<void> => {
    admin.close();
    // The cgroup's removal kills everything in it: daemons, containers, and the holders of the namespaces.
    removeNow('cgroup', cgroup.path);
    removeLegacyCgroups(legacy);
    for (const each of [...nodes.map(({ namespace }) => namespace), fabric]) each.remove();
    removeNow('folder', folder);
  };
  try {
    nodes.push(
      ...(await Promise.all(
        names.map((name, index) => {
          const own = join(folder, name);
          mkdirSync(own);
          const podNetwork = `10.244.${index + 1}.0/24`;
          const { layout, names: cgroupNames } = styles[index] as NodeStyle;
          const legacyParents = layout === 'hybrid' ? legacy : [];
          const address = addresses[index] as string;
          return createNode({ name, address, podNetwork, folder: own, cgroupNames, parent: cgroup, legacyParents });
        }),
      )),
    );
    joinByBridge(fabric, nodes, network);
    const [control] = nodes as [Node];
    control.daemon('etcd', [program('etcd'), ...etcdWords(join(folder, 'etcd'), 2379, 2380)]);
    control.daemon('kube-apiserver', [
      program('kube-apiserver'),
      ...apiServerWords(keys, { etcd: 2379, address: first, port: PORT }),
      ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction'],
      `--kubelet-client-certificate=${keys.file('admin.crt')}`,
      `--kubelet-client-key=${keys.file('admin.key')}`,
    ]);
    const isReady = async (): Promise<boolean> =>
      (await admin.ask('GET', '/readyz').catch(() => undefined))?.status === 200;
    await eventually('kube-apiserver to be ready', isReady, TIMEOUT_MS);
    control.daemon('kube-controller-manager', [
      program('kube-controller-manager'),
      ...controllerManagerWords(keys, kubeconfig),
      '--controllers=*,-node-ipam-controller',
    ]);
    control.daemon('kube-scheduler', [program('kube-scheduler'), ...schedulerWords(kubeconfig)]);
    for (const node of nodes) node.join(url, keys);
    await Promise.all(nodes.map((node) => nodeReady(admin, node)));
  } catch (error) {
    const said = output();
    await stop();
    throw new Error(`${(error as Error).message}\n${said.slice(-10_000)}`);
  }
  const node: Cluster['node'] = (name) => nodes.find((each) => each.name === name) as Node;
  return {
    url,
    machineAddress: `${network}.254`,
    serviceAddress: '10.96.0.1',
    keys,
    admin,
    kubeconfig,
    nodes,
    cgroup,
    node,
    tokenKubeconfig: (token) => {
      const path = keys.file('token.kubeconfig');
      writeKubeconfig(path, url, keys.file('authority.crt'), { token });
      return path;
    },
    ready: (namespace, name) =>
      eventually(
        `pod ${namespace}/${name} to be ready`,
        async () => {
          const pod = await admin.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
          const conditions = (pod.status.conditions ?? []) as { type: string; status: string }[];
          return conditions.some(({ type, status }) => type === 'Ready' && status === 'True') && pod;
        },
        TIMEOUT_MS,
      ),
    exec: (pod, command) => {
      const [{ containerID }] = pod.status.containerStatuses as [{ containerID: string }];
      return node(pod.spec.nodeName as string).exec(containerID.replace('containerd://', ''), command);
    },
    output,
    stop,
  };
}

/** Joins nodes and this machine (`.254`) by a bridge in a namespace of its own, which takes everything with it. */
function joinByBridge(fabric: Namespace, nodes: readonly Node[], network: string): void {
  fabric.run('ip', 'link', 'add', 'fabric', 'type', 'bridge');
  fabric.run('ip', 'link', 'set', 'fabric', 'up');
  const plug = (words: readonly string[]): string => {
    const device = uniqueName();
    fabric.run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', ...words);
    fabric.run('ip', 'link', 'set', device, 'master', 'fabric', 'up');
    return device;
  };
  for (const node of nodes) {
    plug(['eth0', 'netns', node.namespace.name]);
    node.namespace.run('ip', 'addr', 'add', `${node.address}/24`, 'dev', 'eth0');
    node.namespace.run('ip', 'link', 'set', 'eth0', 'up');
    // What a node dials is translated only if it has somewhere to go before.
    node.namespace.run('ip', 'route', 'add', 'default', 'via', `${network}.254`);
    for (const other of nodes.filter((each) => each !== node)) {
      node.namespace.run('ip', 'route', 'add', other.podNetwork, 'via', other.address);
    }
  }
  const device = uniqueName();
  plug([device]);
  fabric.run('ip', 'link', 'set', device, 'netns', String(process.pid));
  execFileSync('ip', ['addr', 'add', `${network}.254/24`, 'dev', device]);
  execFileSync('ip', ['link', 'set', device, 'up']);
}

async function nodeReady(admin: KubernetesApi, { name, podNetwork }: Node): Promise<void> {
  const path = `/api/v1/nodes/${name}`;
  await eventually(`node ${name}`, async () => (await admin.ask('GET', path)).status === 200, TIMEOUT_MS);
  await admin.patch(path, { spec: { podCIDR: podNetwork, podCIDRs: [podNetwork] } });
  await eventually(
    `node ${name} to be ready`,
    async () => {
      const { conditions } = (await admin.get(path)).status as { conditions: { type: string; status: string }[] };
      return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    },
    TIMEOUT_MS,
  );
}
