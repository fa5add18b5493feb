/** What balancing needs of a Service. */
import {
  address,
  type Family,
  familyOf,
  field,
  flag,
  items,
  type Located,
  named,
  type Protocol,
  protocol,
  protocolName,
  text,
  whole,
  word,
} from './values.ts';

export interface BalancedPort {
  /** Empty where the service has one port only. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0 if it has none. */
  readonly nodePort: number;
}

export interface BalancedService {
  readonly namespace: string;
  readonly name: string;
  /** Why it has no frontend; empty if it is balanced. */
  readonly leftAlone: string;
  /** What of it is not honoured, each a sentence. */
  readonly limits: readonly string[];
  readonly families: readonly Family[];
  readonly clusterAddresses: readonly string[];
  readonly externalAddresses: readonly string[];
  readonly balancerAddresses: readonly string[];
  /** TCP and UDP only. */
  readonly ports: readonly BalancedPort[];
  /** Seconds; 0: no affinity. */
  readonly affinitySeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly publishNotReady: boolean;
}

/** Bounds of the API server where it has one, else far above what is of use. */
const CLUSTER_ADDRESSES = 2;
const ADDRESSES = 256;
const PORTS = 256;
const DEFAULT_AFFINITY_S = 10_800;
const MOST_AFFINITY_S = 86_400;

/** https://kubernetes.io/docs/reference/labels-annotations-taints: its services are another proxy's. */
const PROXY_LABEL = 'service.kubernetes.io/service-proxy-name';

function readPorts(spec: Located): { ports: BalancedPort[]; limits: string[] } {
  const all = items(field(spec, 'ports'), PORTS).map((port) => ({
    name: text(field(port, 'name')),
    protocol: protocol(field(port, 'protocol')),
    port: whole(field(port, 'port'), 1, 65_535),
    nodePort: whole(field(port, 'nodePort'), 0, 65_535, 0),
  }));
  const ports = all.filter((port) => port.protocol !== 132);
  const left = all.filter((port) => port.protocol === 132).map((port) => `${port.port}/${protocolName(port.protocol)}`);
  const limits = left.length === 0 ? [] : [`Ports ${left.join(', ')} are left to others: no socket hook sees SCTP.`];
  return { ports, limits };
}

/**
 * Addresses of load balancers that this machine may answer for: not those whose traffic must go through the balancer, and
 * not where the sources are restricted, which a choice at connect cannot judge.
 */
function readBalancers(object: Located): { addresses: string[]; limits: string[] } {
  const ingress = items(field(object, 'status', 'loadBalancer', 'ingress'), ADDRESSES);
  const own = ingress.filter(
    (one) => field(one, 'ip').value !== undefined && word(field(one, 'ipMode'), 'VIP', 'Proxy') === 'VIP',
  );
  const addresses = own.map((one) => address(field(one, 'ip')));
  const ranges = items(field(object, 'spec', 'loadBalancerSourceRanges'), ADDRESSES);
  if (ranges.length === 0 || addresses.length === 0) return { addresses, limits: [] };
  const limit = `Its load balancer's addresses are left to others: who may use them depends on the client's address.`;
  return { addresses: [], limits: [limit] };
}

function whyLeftAlone(object: Located, type: string, clusterIp: string): string {
  if (type === 'ExternalName') return 'It is another name for a service elsewhere, which DNS answers.';
  if (clusterIp === 'None') return 'It is headless: its clients choose among the addresses that DNS gives them.';
  if (clusterIp === '') return 'It has no cluster address yet.';
  const proxy = text(field(object, 'metadata', 'labels', PROXY_LABEL), 63);
  return proxy === '' ? '' : `Its label says that proxy ${proxy} balances it.`;
}

/** Reads a Service. @throws Refused if anything of what is read is not as the API says */
export function readBalancedService(value: unknown): BalancedService {
  const object = { value, path: '' };
  const spec = field(object, 'spec');
  const type = word(field(spec, 'type'), 'ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName');
  const several = items(field(spec, 'clusterIPs'), CLUSTER_ADDRESSES);
  const clusters = several.length > 0 ? several : [field(spec, 'clusterIP')];
  const leftAlone = whyLeftAlone(object, type, text(clusters[0] ?? spec, 45));
  const { ports, limits } = readPorts(spec);
  const balancers = readBalancers(object);
  const clusterAddresses = leftAlone === '' ? clusters.map(address) : [];
  const affinity = word(field(spec, 'sessionAffinity'), 'None', 'ClientIP');
  const timeout = field(spec, 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds');
  const affinitySeconds = whole(timeout, 1, MOST_AFFINITY_S, DEFAULT_AFFINITY_S);
  return {
    ...named(object),
    leftAlone,
    limits: [...limits, ...balancers.limits],
    families: [...new Set(clusterAddresses.map(familyOf))],
    clusterAddresses,
    externalAddresses: items(field(spec, 'externalIPs'), ADDRESSES).map(address),
    balancerAddresses: type === 'LoadBalancer' ? balancers.addresses : [],
    ports: type === 'ClusterIP' ? ports.map((port) => ({ ...port, nodePort: 0 })) : ports,
    affinitySeconds: affinity === 'ClientIP' ? affinitySeconds : 0,
    internalLocal: word(field(spec, 'internalTrafficPolicy'), 'Cluster', 'Local') === 'Local',
    externalLocal: word(field(spec, 'externalTrafficPolicy'), 'Cluster', 'Local') === 'Local',
    publishNotReady: flag(field(spec, 'publishNotReadyAddresses'), false),
  };
}
