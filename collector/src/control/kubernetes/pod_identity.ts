/** From what is kept of a pod or node to what is told of it. */
import { endpointId, type Identity, type PodFacts } from '../identity.ts';
import type { Cluster } from './cluster.ts';
import type { KubernetesNode } from './nodes.ts';

interface Place {
  readonly here: boolean;
  readonly cgroupPath: string;
}

const NOTHING = { containerId: '', cgroupPath: '', labels: {} } as const;

/** Keys are other people's: no prototype lies behind them. */
function plain(words: ReadonlyMap<string, string>): Record<string, string> {
  return Object.setPrototypeOf(Object.fromEntries(words), null) as Record<string, string>;
}

/** @returns the identity, and a text that is the same for as long as nothing of it changes */
export function describePod(cluster: Cluster, pod: number, place: Place): { identity: Identity; key: string } {
  const { pods, nodes } = cluster;
  const { table } = pods;
  const uid = pods.nodeUid(pod);
  const common = table.common(pod);
  const { labels, images, resourceAttributes } = common;
  const workload = cluster.workload(pod, common);
  const node = table.node(pod);
  const containers = pods.containers(pod);
  const facts: PodFacts = {
    uid,
    workloadKind: workload.kind,
    node,
    zone: nodes.get(node)?.zone ?? '',
    serviceAccount: common.serviceAccount,
    hostNetwork: table.isHostNetwork(pod),
    services: cluster.servicesOf(pod),
    containers,
    images,
    resourceAttributes: plain(resourceAttributes),
  };
  const [only] = containers.keys();
  const identity: Identity = {
    id: endpointId('pod', uid),
    kind: 'pod',
    namespace: common.namespace,
    workload: workload.name,
    name: table.name(pod),
    containerId: containers.size === 1 ? (only as string) : '',
    cgroupPath: place.cgroupPath,
    here: place.here,
    labels: plain(labels),
    pod: facts,
    validFromNs: nanoseconds(table.describedMs(pod)),
    validToNs: nanoseconds(pods.endedMs(pod)),
  };
  const compared = [
    ...[uid, identity.namespace, identity.workload, identity.name, place.cgroupPath, place.here, workload.kind],
    ...[node, facts.zone, facts.serviceAccount, facts.hostNetwork, facts.services],
    ...[containers, images, resourceAttributes, labels].map((map) => [...map]),
    ...[pods.endedMs(pod)],
  ];
  return { identity, key: JSON.stringify(compared) };
}

/** A pod that is seen here before the API server has told of it. */
export function unnamedPod(uid: string, cgroupPath: string, node: string): Identity {
  const pod: PodFacts = {
    uid,
    workloadKind: '',
    node,
    zone: '',
    serviceAccount: '',
    hostNetwork: false,
    services: [],
    containers: new Map(),
  };
  const id = endpointId('pod', uid);
  return { ...NOTHING, id, kind: 'pod', namespace: '', workload: '', name: '', here: true, cgroupPath, pod };
}

export function nodeIdentity({ uid, name, zone }: KubernetesNode, here: boolean): Identity {
  return { ...NOTHING, id: endpointId('node', uid), kind: 'node', namespace: '', workload: name, name, here, zone };
}

function nanoseconds(ms: number | undefined): bigint | undefined {
  return ms === undefined ? undefined : BigInt(Math.round(ms * 1000)) * 1000n;
}
