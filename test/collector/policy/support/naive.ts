/**
 * A second reading of NetworkPolicy v1, slow and straight from the words of its API reference, on plain objects. It
 * shares nothing with the model, so that a mistake would have to be made twice.
 */
import { BlockList, isIPv4 } from 'node:net';
import type { PlainPod } from './random.ts';

interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
interface PolicyPeer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: string[] };
}
interface PolicyPort {
  protocol?: string;
  port?: number | string;
  endPort?: number;
}
interface PolicyRule {
  from?: PolicyPeer[];
  to?: PolicyPeer[];
  ports?: PolicyPort[];
}
export interface PlainPolicy {
  metadata: { name: string; namespace: string };
  spec: { podSelector: Selector; policyTypes?: string[]; ingress?: PolicyRule[]; egress?: PolicyRule[] };
}

/** A pod, a node or an address. */
export interface PlainEnd {
  readonly pod?: PlainPod;
  readonly node?: string;
  readonly ip: string;
}

export interface PlainConnection {
  readonly source: PlainEnd;
  readonly destination: PlainEnd;
  readonly protocol: string;
  readonly port: number;
}

// "A label selector is a label query over a set of resources. The result of matchLabels and matchExpressions are ANDed."
function selected(selector: Selector, labels: Record<string, string>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labels[key];
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false;
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
  }
  return true;
}

function within(cidr: string, ip: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  if (isIPv4(network) !== isIPv4(ip)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), isIPv4(network) ? 'ipv4' : 'ipv6');
  return list.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6');
}

function isPeer(peer: PolicyPeer, end: PlainEnd, policyNamespace: string): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    return within(cidr, end.ip) && !except.some((part) => within(part, end.ip));
  }
  const { pod } = end;
  if (pod === undefined) return false;
  // "Otherwise it selects the Pods matching PodSelector in the policy's own Namespace."
  const isThere =
    peer.namespaceSelector === undefined
      ? pod.namespace === policyNamespace
      : selected(peer.namespaceSelector, pod.namespaceLabels);
  return isThere && selected(peer.podSelector ?? {}, pod.labels);
}

function isPort(one: PolicyPort, connection: PlainConnection): boolean {
  // "If not specified, this field defaults to TCP."
  if ((one.protocol ?? 'TCP') !== connection.protocol) return false;
  // "If this field is not provided, this matches all port names and numbers."
  if (one.port === undefined) return true;
  if (typeof one.port === 'string')
    return (connection.destination.pod?.ports ?? []).some(
      ({ name, protocol, port }) => name === one.port && protocol === connection.protocol && port === connection.port,
    );
  return connection.port >= one.port && connection.port <= (one.endPort ?? one.port);
}

function types({ spec }: PlainPolicy): string[] {
  if (spec.policyTypes !== undefined && spec.policyTypes.length > 0) return spec.policyTypes;
  return (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function allows(policies: readonly PlainPolicy[], connection: PlainConnection, type: 'Ingress' | 'Egress'): boolean {
  const [subject, other] =
    type === 'Ingress' ? [connection.destination, connection.source] : [connection.source, connection.destination];
  const { pod } = subject;
  if (pod === undefined) return true;
  const selecting = policies.filter(
    (policy) =>
      policy.metadata.namespace === pod.namespace &&
      selected(policy.spec.podSelector, pod.labels) &&
      types(policy).includes(type),
  );
  // "Traffic is allowed to a pod if there are no NetworkPolicies selecting the pod"
  if (selecting.length === 0) return true;
  // "OR if the traffic source is the pod's local node"
  if (type === 'Ingress' && other.pod === undefined && other.node === pod.node) return true;
  // "OR if the traffic matches at least one ingress rule across all of the NetworkPolicy objects"
  return selecting.some(({ metadata, spec }) =>
    ((type === 'Ingress' ? spec.ingress : spec.egress) ?? []).some((rule) => {
      const peers = (type === 'Ingress' ? rule.from : rule.to) ?? [];
      const ports = rule.ports ?? [];
      // "If this field is empty or missing, this rule matches all sources"
      const isHim = peers.length === 0 || peers.some((peer) => isPeer(peer, other, metadata.namespace));
      return isHim && (ports.length === 0 || ports.some((port) => isPort(port, connection)));
    }),
  );
}

/** Whether a new connection is allowed: by the source's egress and the destination's ingress. */
export function naivelyAllowed(policies: readonly PlainPolicy[], connection: PlainConnection): boolean {
  if (connection.source.ip === connection.destination.ip) return true;
  return allows(policies, connection, 'Egress') && allows(policies, connection, 'Ingress');
}
