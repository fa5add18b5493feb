/** Both ends of a connection as policies see them. */
import { createHash } from 'node:crypto';
import { ENTITY, type Entity, keys, NAMESPACE, SERVICE_ACCOUNT } from './labels.ts';
import { type Address, only, type Prefix } from './prefix.ts';
import type { Labels } from './selector.ts';

export interface NamedPort {
  readonly name: string;
  /** Number of its protocol. */
  readonly protocol: number;
  readonly port: number;
}

export interface Pod {
  readonly uid: string;
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
  readonly serviceAccount: string;
  /** Ports of its containers that have a name. */
  readonly ports: readonly NamedPort[];
  /** Name of the node it runs on. */
  readonly node: string;
  /** It has its node's network: policies cannot tell it from the node. */
  readonly hostNetwork: boolean;
  readonly addresses: readonly Address[];
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly Address[];
}

/** One end: a pod, a node, or neither, which is outside the cluster. */
export interface End {
  readonly pod?: Pod;
  /** Also of a pod that has its node's network. */
  readonly node?: Node;
  readonly address: Address;
}

/** An end as rules match it. */
export interface OtherEnd {
  readonly labels: Labels;
  /** The address, or the range of which every address is matched alike. */
  readonly prefix: Prefix;
}

/** The API server gives every namespace this label. */
const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

function* podEntries(pod: Pod): Iterable<readonly [string, string]> {
  yield [ENTITY, 'pod' satisfies Entity];
  for (const [key, value] of pod.labels) yield [keys.pod(key), value];
  for (const [key, value] of pod.namespaceLabels) yield [keys.namespace(key), value];
  yield [keys.namespace(NAMESPACE_NAME), pod.namespace];
  yield [NAMESPACE, pod.namespace];
  yield [SERVICE_ACCOUNT, pod.serviceAccount];
  for (const [name, ports] of Map.groupBy(pod.ports, (port) => port.name))
    yield [keys.port(name), ports.map(({ protocol, port }) => `${protocol}/${port}`).join(' ')];
}

/** The label set of a pod that has a network of its own. */
export function labelsOfPod(pod: Pod): Labels {
  return new Map(podEntries(pod));
}

/** The label set of a node as seen from pods of another or of the same. */
export function labelsOfNode(name: string, labels: Labels, seenFrom: string): Labels {
  const entity: Entity = name === seenFrom ? 'host' : 'remote-node';
  return new Map([[ENTITY, entity], ...Array.from(labels, ([key, value]) => [keys.node(key), value] as const)]);
}

/** The label set of whatever is outside the cluster. */
export const WORLD: Labels = new Map([[ENTITY, 'world' satisfies Entity]]);

/** @param seenFrom name of the node from which it is seen */
export function peerOf({ pod, node, address }: End, seenFrom: string): OtherEnd {
  const prefix = only(address);
  if (pod !== undefined && !pod.hostNetwork) return { labels: labelsOfPod(pod), prefix };
  const name = node?.name ?? pod?.node;
  return { labels: name === undefined ? WORLD : labelsOfNode(name, node?.labels ?? new Map(), seenFrom), prefix };
}

/** The numbers that a pod gives a port's name, for any protocol or for one. */
export function portsNamed(labels: Labels, name: string, protocol: number | undefined): readonly NamedPort[] {
  const told = labels.get(keys.port(name))?.split(' ') ?? [];
  return told
    .map((one) => one.split('/').map(Number))
    .map(([number = 0, port = 0]) => ({ name, protocol: number, port }))
    .filter((one) => protocol === undefined || one.protocol === protocol);
}

/**
 * The security identity of a label set: the same number for the same labels on every node, whatever else there is.
 * 48 bits, never 0: of 100,000 label sets two have the same with a chance of 1 in 50,000.
 */
export function securityIdentity(labels: Labels): number {
  const sorted = [...labels].sort(([a], [b]) => Number(a > b) - Number(a < b));
  const hash = createHash('sha256').update(JSON.stringify(sorted)).digest();
  return hash.readUIntBE(0, 6) || 1;
}
