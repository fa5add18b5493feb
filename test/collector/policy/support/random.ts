/** Random clusters and policies over few names, so that they often meet. */
import { randomOf } from '../../../bpf/http/exchange.ts';

export type Random = (below: number) => number;

export { randomOf };

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random(items.length)] as Item;
}

/** Up to `most` of what `make` makes. */
export function some<Item>(random: Random, most: number, make: () => Item): Item[] {
  return Array.from({ length: random(most + 1) }, make);
}

const NAMESPACES = ['x', 'y'];
const VALUES = ['1', '2'];
const LABEL_KEYS = ['app', 'tier'];
export const PORT_NAMES = ['http', 'dns'];
export const PROTOCOL_NAMES = ['TCP', 'UDP', 'SCTP'] as const;
const CIDRS = ['10.0.0.0/8', '10.0.1.0/24', '10.0.1.2/32', '0.0.0.0/0', '::/0', 'fd00::/64', '203.0.113.0/24'];
const EXCEPT: Readonly<Record<string, readonly string[]>> = {
  '10.0.0.0/8': ['10.0.1.0/24', '10.0.1.2/32', '10.0.2.0/25'],
  '10.0.1.0/24': ['10.0.1.2/32', '10.0.1.0/30'],
  '0.0.0.0/0': ['10.0.0.0/8', '203.0.113.7/32'],
  '203.0.113.0/24': ['203.0.113.0/25'],
};

export function labels(random: Random): Record<string, string> {
  return Object.fromEntries(some(random, 2, () => [pick(random, LABEL_KEYS), pick(random, VALUES)]));
}

export function selector(random: Random): object {
  const operator = pick(random, ['In', 'NotIn', 'Exists', 'DoesNotExist']);
  const values = operator.endsWith('In')
    ? [pick(random, VALUES), ...some(random, 1, () => pick(random, VALUES))]
    : undefined;
  const expression = { key: pick(random, LABEL_KEYS), operator, ...(values && { values }) };
  return pick(random, [{}, { matchLabels: labels(random) }, { matchExpressions: [expression] }]);
}

export function networkPeer(random: Random): object {
  if (random(3) === 0) {
    const cidr = pick(random, CIDRS);
    return { ipBlock: { cidr, ...(random(2) === 0 && { except: EXCEPT[cidr] ?? [] }) } };
  }
  const where = pick(random, [['podSelector'], ['namespaceSelector'], ['podSelector', 'namespaceSelector']]);
  return Object.fromEntries(where.map((key) => [key, selector(random)]));
}

/** Numbers that lie close to each other. */
export function portNumber(random: Random): number {
  return pick(random, [1, 79, 80, 81, 82, 443, 8080, 65_535]);
}

export function networkPort(random: Random): object {
  const protocol = random(2) === 0 ? {} : { protocol: pick(random, PROTOCOL_NAMES) };
  const port = portNumber(random);
  const endPort = Math.min(65_535, port + random(4));
  return { ...protocol, ...pick(random, [{}, { port }, { port, endPort }, { port: pick(random, PORT_NAMES) }]) };
}

function networkRule(random: Random, peers: 'from' | 'to'): object {
  return {
    ...(random(3) !== 0 && { [peers]: some(random, 2, () => networkPeer(random)) }),
    ...(random(2) === 0 && { ports: some(random, 2, () => networkPort(random)) }),
  };
}

/** A NetworkPolicy, which is always well formed. */
export function networkPolicy(random: Random, name: string): object {
  const types = pick(random, [undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']]);
  return {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
    metadata: { name, namespace: pick(random, NAMESPACES) },
    spec: {
      podSelector: selector(random),
      ...(types && { policyTypes: types }),
      ...(random(3) !== 0 && { ingress: some(random, 2, () => networkRule(random, 'from')) }),
      ...(random(3) !== 0 && { egress: some(random, 2, () => networkRule(random, 'to')) }),
    },
  };
}

/** A pod as plain data, for readings that share nothing with the model. */
export interface PlainPod {
  readonly name: string;
  readonly namespace: string;
  readonly namespaceLabels: Record<string, string>;
  readonly labels: Record<string, string>;
  readonly node: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly ip: string;
}

export function plainPods(random: Random): PlainPod[] {
  const ofNamespaces = Object.fromEntries(NAMESPACES.map((name) => [name, labels(random)]));
  return Array.from({ length: 6 }, (_, index) => {
    const namespace = pick(random, NAMESPACES);
    const ports = PORT_NAMES.filter(() => random(2) === 0).map((name) => {
      return { name, protocol: pick(random, PROTOCOL_NAMES), port: portNumber(random) };
    });
    return {
      ...{ name: `p${index}`, namespace, labels: labels(random), ports, ip: `10.0.${1 + random(2)}.${1 + index}` },
      ...{ namespaceLabels: ofNamespaces[namespace] ?? {}, node: pick(random, ['n1', 'n2']) },
    };
  });
}

/** Addresses outside of all pods. */
export const OUTSIDE = ['203.0.113.7', '203.0.113.200', '198.51.100.1', '10.0.2.100', 'fd00::1', '2001:db8::1'];
