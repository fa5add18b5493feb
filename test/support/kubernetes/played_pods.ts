/**
 * Pods without a kubelet: this process does what kubelet, containerd and the network plugin do, in their order. A pod is
 * an object of a real API server, a network namespace with its address, a cgroup named as kubelet names it, and an
 * nginx in both, which answers everything with the pod's name.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, run, start } from '../../../deploy/lab/program.ts';
import { uniqueName } from '../../../deploy/lab/registry.ts';
import { temporaryFolder } from '../flowspan.ts';
import type { KubernetesApi } from './api.ts';

export const PLAYED_NAMESPACE = 'played';
const PODS = `/api/v1/namespaces/${PLAYED_NAMESPACE}/pods`;
const CONTAINER = 'main';

/** A node: an object, and a cgroup. */
export interface PlayedNode {
  readonly name: string;
  readonly cgroup: Cgroup;
  /** Holds the cgroups of its pods. */
  readonly pods: Cgroup;
}

/** Where a pod is in the network. */
export interface PodPlace {
  /** Free, `10.88.x.y`; of a pod in its node's network the node's. */
  readonly address: string;
  /** Where its nginx listens. Default: 80. */
  readonly port?: number;
  /** The node's network, if the pod is in it; else it has one of its own. */
  readonly hostNetwork?: Namespace;
}

/** A running pod. */
export interface PlayedPod {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  /** Asks other pods, each on a connection of its own; resolves with the names that answered, in the order of the URLs. */
  ask(...urls: readonly string[]): Promise<string[]>;
  /** Ends it as kubelet does; its address is free when this resolves. */
  end(): Promise<void>;
}

/** Nodes and pods of one API server. */
export interface PlayedPods {
  createNode(name: string): Promise<PlayedNode>;
  /** Resolves when the pod serves and the API server knows it. */
  createPod(node: PlayedNode, name: string, place: PodPlace): Promise<PlayedPod>;
  end(): void;
}

/** Makes the network of the pods. */
export async function playPods(admin: KubernetesApi): Promise<PlayedPods> {
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: PLAYED_NAMESPACE } });
  const fabric = createNamespace();
  fabric.run('ip', 'link', 'add', 'fabric', 'type', 'bridge');
  fabric.run('ip', 'link', 'set', 'fabric', 'up');
  const namespaces = new Set([fabric]);
  const nodes: PlayedNode[] = [];
  return {
    createNode: async (name) => {
      await admin.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
      const cgroup = createCgroup();
      const pods = createCgroup(createCgroup(cgroup.path, 'kubepods').path, 'besteffort');
      nodes.push({ name, cgroup, pods });
      return { name, cgroup, pods };
    },
    createPod: async (node, name, { address, port = 80, hostNetwork }) => {
      const { metadata } = await admin.create({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: PLAYED_NAMESPACE } },
        spec: {
          ...{ nodeName: node.name, containers: [{ name: CONTAINER, image: 'registry.invalid/played:1' }] },
          ...(hostNetwork === undefined ? {} : { hostNetwork: true }),
        },
      });
      const podCgroup = createCgroup(node.pods.path, `pod${metadata.uid}`);
      const namespace = hostNetwork ?? plugIn(fabric, address);
      if (hostNetwork === undefined) namespaces.add(namespace);
      const containerId = randomBytes(32).toString('hex');
      const cgroup = createCgroup(podCgroup.path, containerId);
      const place = { namespace, cgroup };
      const server = await playServer(place, name, port);
      const startedMs = Date.now();
      const tell = (phase: string, state: object): Promise<unknown> =>
        admin.patch(`${PODS}/${name}/status`, { status: statusOf(phase, address, containerId, startedMs, state) });
      await tell('Running', { running: { startedAt: apiTime(startedMs) } });
      return {
        name,
        uid: metadata.uid,
        address,
        ask: (...urls) => askAs(place, urls),
        end: async () => {
          await admin.ask('DELETE', `${PODS}/${name}`, { gracePeriodSeconds: 1 });
          await server.stop('SIGKILL');
          cgroup.remove();
          if (namespaces.delete(namespace)) namespace.remove();
          podCgroup.remove();
          const times = { startedAt: apiTime(startedMs), finishedAt: apiTime(Date.now()) };
          await tell('Succeeded', {
            terminated: { ...times, exitCode: 0, containerID: `containerd://${containerId}` },
          });
          await admin.delete(`${PODS}/${name}`);
        },
      };
    },
    end: () => {
      for (const { cgroup } of nodes) cgroup.remove();
      for (const each of namespaces) each.remove();
    },
  };
}

/** Asks URLs, each on a connection of its own; resolves with what they answered. */
export async function askAs(place: Place, urls: readonly string[]): Promise<string[]> {
  return (await run(place, ['curl', '-sS', '-f', '--fail-early', '-m', '15', '-w', '\\n', ...urls])).trim().split('\n');
}

/** Starts an nginx of one process that answers everything with a name. */
export async function playServer(
  place: Place & { readonly namespace: Namespace },
  name: string,
  port: number,
): Promise<Program> {
  const folder = temporaryFolder();
  const path = join(folder, 'nginx.conf');
  const answer = `listen ${port}; keepalive_timeout 0; location / { return 200 "${name}"; }`;
  writeFileSync(
    path,
    `daemon off; master_process off; user root; pid ${folder}/pid; events {} http { access_log off; server { ${answer} } }`,
  );
  const program = start(place, ['nginx', '-c', path, '-e', 'stderr']);
  await listening(place.namespace, port);
  return program;
}

/** As the API server writes times: whole seconds. */
const apiTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z/, 'Z');

/** A namespace with a cable to the fabric; whoever has an address has its hardware address, so that none is stale. */
function plugIn(fabric: Namespace, address: string): Namespace {
  const namespace = createNamespace();
  const device = uniqueName();
  const hardware = ['02', '00', ...address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))];
  fabric.run('ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace.name);
  fabric.run('ip', 'link', 'set', device, 'master', 'fabric', 'up');
  namespace.run('ip', 'addr', 'add', `${address}/16`, 'dev', 'eth0');
  namespace.run('ip', 'link', 'set', 'eth0', 'address', hardware.join(':'), 'up');
  return namespace;
}

function statusOf(phase: string, address: string, containerId: string, startedMs: number, state: object): object {
  const ready = phase === 'Running';
  return {
    ...{ phase, podIP: address, podIPs: [{ ip: address }], hostIP: '192.0.2.1', startTime: apiTime(startedMs) },
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: [
      {
        ...{
          name: CONTAINER,
          image: 'registry.invalid/played:1',
          imageID: 'x',
          restartCount: 0,
          ready,
          started: ready,
        },
        containerID: `containerd://${containerId}`,
        state,
      },
    ],
  };
}
