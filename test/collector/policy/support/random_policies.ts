/** Random policies of Cilium's and the administrator's kinds, always well formed. */
import { networkPolicy, PORT_NAMES, PROTOCOL_NAMES, pick, portNumber, type Random, selector, some } from './random.ts';

const NAMESPACES = ['x', 'y'];
const ENTITIES = ['all', 'world', 'world-ipv4', 'world-ipv6', 'cluster', 'host', 'remote-node', 'none'];

function ciliumPeers(random: Random, prefix: 'from' | 'to'): object {
  const set = { cidr: '10.0.0.0/8', except: ['10.0.1.0/24', '10.0.2.100/32'] };
  return pick(random, [
    {},
    { [`${prefix}Endpoints`]: some(random, 2, () => selector(random)) },
    { [`${prefix}Endpoints`]: [{ matchLabels: { 'io.kubernetes.pod.namespace': pick(random, NAMESPACES) } }] },
    { [`${prefix}CIDR`]: [pick(random, ['203.0.113.0/24', '203.0.113.7', '::/0', '10.0.2.0/24'])] },
    { [`${prefix}CIDRSet`]: [set] },
    { [`${prefix}Entities`]: [pick(random, ENTITIES), ...some(random, 1, () => pick(random, ENTITIES))] },
  ]);
}

function ciliumPort(random: Random): object {
  const port = portNumber(random);
  return pick(random, [
    { port: `${port}`, protocol: pick(random, [...PROTOCOL_NAMES, 'ANY']) },
    { port: `${port}`, endPort: Math.min(65_535, port + random(5)), protocol: 'TCP' },
    { port: '0', protocol: pick(random, PROTOCOL_NAMES) },
    { port: pick(random, PORT_NAMES) },
  ]);
}

function ciliumRule(random: Random, prefix: 'from' | 'to', isDeny: boolean): object {
  const peers = ciliumPeers(random, prefix);
  const http = {
    ports: [{ port: pick(random, ['80', '443']), protocol: 'TCP' }],
    rules: { http: [{ method: 'GET' }] },
  };
  const entry = prefix === 'from' && !isDeny && random(3) > 0 ? http : { ports: [ciliumPort(random)] };
  const isBare = Object.keys(peers).length === 0 && isDeny;
  return { ...peers, ...((isBare || random(2) === 0) && { toPorts: [entry] }) };
}

function ciliumPolicy(random: Random, name: string): object {
  const isWide = random(3) === 0;
  const flags = pick(random, [{}, { ingress: false }, { egress: false }, { ingress: false, egress: false }]);
  return {
    apiVersion: 'cilium.io/v2',
    kind: isWide ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy',
    metadata: { name, ...(!isWide && { namespace: pick(random, NAMESPACES) }) },
    spec: {
      ...{ endpointSelector: selector(random), enableDefaultDeny: flags },
      ingress: some(random, 2, () => ciliumRule(random, 'from', false)),
      egress: some(random, 2, () => ciliumRule(random, 'to', false)),
      ingressDeny: some(random, 1, () => ciliumRule(random, 'from', true)),
      egressDeny: some(random, 1, () => ciliumRule(random, 'to', true)),
    },
  };
}

function clusterProtocol(random: Random): object {
  const number = portNumber(random);
  const start = Math.min(number, 65_534);
  return pick(random, [
    { [pick(random, ['tcp', 'udp', 'sctp'])]: { destinationPort: { number } } },
    { tcp: { destinationPort: { range: { start, end: start + 1 } } } },
    { destinationNamedPort: pick(random, PORT_NAMES) },
  ]);
}

function clusterRule(random: Random, peersAt: 'from' | 'to'): object {
  const pods = { pods: { namespaceSelector: selector(random), podSelector: selector(random) } };
  const labelled = pick(random, [pods, { namespaces: selector(random) }]);
  const others = pick(random, [{ networks: [pick(random, ['0.0.0.0/0', '10.0.1.0/24', '::/0'])] }, { nodes: {} }]);
  const isOther = peersAt === 'to' && random(2) === 0;
  const protocol = clusterProtocol(random);
  const hasProtocol = random(2) === 0 && !(isOther && 'destinationNamedPort' in protocol);
  return {
    ...{ action: pick(random, ['Accept', 'Deny', 'Pass']), [peersAt]: [isOther ? others : labelled] },
    ...(hasProtocol && { protocols: [protocol] }),
  };
}

function clusterPolicy(random: Random, name: string): object {
  return {
    ...{ apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name } },
    spec: {
      ...{ tier: pick(random, ['Admin', 'Baseline']), priority: random(3), subject: { namespaces: selector(random) } },
      ingress: some(random, 2, () => clusterRule(random, 'from')),
      egress: some(random, 2, () => clusterRule(random, 'to')),
    },
  };
}

/** A policy of any kind. */
export function anyPolicy(random: Random, name: string): object {
  return pick(random, [networkPolicy, ciliumPolicy, clusterPolicy])(random, name);
}
