/**
 * Who answers where: from Services and EndpointSlices, the frontends of this node's clients and the backends that each may
 * be brought to. Pure: nothing is asked, nothing is kept.
 */
import { clusterCandidates, localCandidates, type OwnNode } from './candidates.ts';
import { type Condition, Refused } from './condition.ts';
import type { BalancedPort, BalancedService } from './service_object.ts';
import type { BalancedSlice, SliceEndpoint } from './slice_object.ts';
import { type Family, type Protocol, protocolName } from './values.ts';

/** What is done with a choice: nothing is chosen; it is recorded; it is carried out. */
export type Mode = 'observe' | 'audit' | 'enforce';

export interface Backend {
  readonly address: string;
  readonly port: number;
  /** Slots it has in the table. */
  readonly weight: number;
}

/** One port of a service, for one family and by one traffic policy: what has a table of its own. */
export interface Pool {
  /** Namespace, name, port, protocol, family and policy as text; the same pool has the same on every node. */
  readonly id: string;
  readonly namespace: string;
  readonly service: string;
  readonly mode: Mode;
  readonly affinitySeconds: number;
  readonly isLocal: boolean;
  /** Whether other nodes have candidates. */
  readonly hasOthers: boolean;
  readonly candidates: readonly Backend[];
}

export type FrontendKind = 'cluster_ip' | 'external_ip' | 'load_balancer_ip' | 'node_port';

export interface Frontend {
  readonly kind: FrontendKind;
  readonly family: Family;
  /** Empty for a node port: any address of a node in its family. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** A node port that other nodes answer for themselves. */
  readonly ownNodeOnly: boolean;
  /** Id of its pool. */
  readonly pool: string;
}

export interface Model {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly frontends: readonly Frontend[];
  readonly conditions: readonly Condition[];
}

export interface ModelInput {
  readonly services: readonly BalancedService[];
  readonly slices: readonly BalancedSlice[];
  readonly node: OwnNode;
  /** Mode of a service. */
  readonly modeOf: (namespace: string, service: string) => Mode;
}

/** Most backends of a pool: what a table's head can count. */
const MOST_CANDIDATES = 65_535;

/** Who has an address that several want: the cluster's own are nobody's to take. */
const PRECEDENCE: readonly FrontendKind[] = ['cluster_ip', 'load_balancer_ip', 'node_port', 'external_ip'];

const serviceKey = (namespace: string, name: string): string => `${namespace}/${name}`;

interface Located extends SliceEndpoint {
  readonly port: number;
}

/** Endpoints of one port in one family, each address and port once: of two slices that both have it, the ready one. */
function endpointsOf(
  service: BalancedService,
  port: BalancedPort,
  family: Family,
  slices: readonly BalancedSlice[],
): Located[] {
  const found = new Map<string, Located>();
  for (const slice of slices) {
    if (slice.family !== family) continue;
    const target = slice.ports.find((one) => one.name === port.name && one.protocol === port.protocol)?.port;
    if (target === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const ready = endpoint.ready || service.publishNotReady;
      const key = `${endpoint.address} ${target}`;
      if (found.get(key)?.ready !== true) found.set(key, { ...endpoint, ready, port: target });
    }
  }
  return [...found.values()];
}

/** What one service makes. */
class ServicePools {
  readonly pools = new Map<string, Pool>();
  readonly frontends: Frontend[] = [];
  readonly #service: BalancedService;
  readonly #slices: readonly BalancedSlice[];
  readonly #node: OwnNode;
  readonly #mode: Mode;

  constructor(service: BalancedService, slices: readonly BalancedSlice[], node: OwnNode, mode: Mode) {
    this.#service = service;
    this.#slices = slices;
    this.#node = node;
    this.#mode = mode;
    for (const family of service.families) for (const port of service.ports) this.#addPort(port, family);
  }

  #addPort(port: BalancedPort, family: Family): void {
    const { clusterAddresses, externalAddresses, balancerAddresses, internalLocal, externalLocal } = this.#service;
    const endpoints = endpointsOf(this.#service, port, family, this.#slices);
    const add = (kind: FrontendKind, address: string, dialled: number, isLocal: boolean): void => {
      const pool = this.#pool(port, family, isLocal, endpoints);
      const ownNodeOnly = kind === 'node_port' && isLocal;
      this.frontends.push({ kind, family, address, port: dialled, protocol: port.protocol, ownNodeOnly, pool });
    };
    const ofFamily = (address: string) => address.includes(':') === (family === 6);
    for (const address of clusterAddresses.filter(ofFamily)) add('cluster_ip', address, port.port, internalLocal);
    // "Traffic sent to an External IP or LoadBalancer IP from within the cluster will always get Cluster semantics, but
    // clients sending to a NodePort from within the cluster may need to take traffic policy into account" (ServiceSpec).
    for (const address of balancerAddresses.filter(ofFamily)) add('load_balancer_ip', address, port.port, false);
    for (const address of externalAddresses.filter(ofFamily)) add('external_ip', address, port.port, false);
    if (port.nodePort > 0) add('node_port', '', port.nodePort, externalLocal);
  }

  #pool(port: BalancedPort, family: Family, isLocal: boolean, endpoints: readonly Located[]): string {
    const { namespace, name, affinitySeconds } = this.#service;
    const policy = isLocal ? 'Local' : 'Cluster';
    const id = `${namespace}/${name}:${port.name}/${protocolName(port.protocol)}/IPv${family}/${policy}`;
    if (this.pools.has(id)) return id;
    const everywhere = clusterCandidates(endpoints, this.#node).endpoints;
    const chosen = isLocal ? localCandidates(endpoints, this.#node).endpoints : everywhere;
    if (chosen.length > MOST_CANDIDATES)
      throw new Refused('TooManyBackends', `${chosen.length} backends: a table has ${MOST_CANDIDATES} slots at most.`);
    this.pools.set(id, {
      id,
      namespace,
      service: name,
      mode: this.#mode,
      affinitySeconds,
      isLocal,
      hasOthers: isLocal && everywhere.some((endpoint) => endpoint.node !== this.#node.name),
      candidates: chosen.map(({ address, port: target }) => ({ address, port: target, weight: 1 })),
    });
    return id;
  }
}

function byService(slices: readonly BalancedSlice[]): Map<string, BalancedSlice[]> {
  const grouped = new Map<string, BalancedSlice[]>();
  for (const slice of slices) {
    if (slice.service === '') continue;
    const key = serviceKey(slice.namespace, slice.service);
    const group = grouped.get(key);
    if (group === undefined) grouped.set(key, [slice]);
    else group.push(slice);
  }
  return grouped;
}

const dialled = ({ kind, address, family, port, protocol }: Frontend): string =>
  kind === 'node_port'
    ? `port ${port}/${protocolName(protocol)} of nodes, IPv${family}`
    : `${address} ${port}/${protocolName(protocol)}`;

function conditionOf(service: BalancedService, lost: readonly string[], failed: Refused | undefined): Condition {
  const object = { kind: 'Service', namespace: service.namespace, name: service.name };
  if (failed !== undefined) return { ...object, accepted: false, reason: failed.reason, message: failed.message };
  if (service.leftAlone !== '') return { ...object, accepted: true, reason: 'LeftAlone', message: service.leftAlone };
  const taken = lost.map((each) => `Another service has ${each}. Give one of the two another address or port.`);
  const limits = [...service.limits, ...taken];
  if (limits.length === 0) return { ...object, accepted: true, reason: 'Accepted', message: '' };
  return { ...object, accepted: true, reason: 'AcceptedInPart', message: limits.join(' ') };
}

/** The model of all services. Of two services that want one frontend, the first by namespace and name has it. */
export function modelOf({ services, slices, node, modeOf }: ModelInput): Model {
  const grouped = byService(slices);
  const ordered = services.toSorted((one, other) =>
    serviceKey(one.namespace, one.name) < serviceKey(other.namespace, other.name) ? -1 : 1,
  );
  const pools = new Map<string, Pool>();
  const wanted: { frontend: Frontend; service: BalancedService }[] = [];
  const failed = new Map<BalancedService, Refused>();
  for (const service of ordered) {
    if (service.leftAlone !== '') continue;
    const key = serviceKey(service.namespace, service.name);
    try {
      const made = new ServicePools(service, grouped.get(key) ?? [], node, modeOf(service.namespace, service.name));
      for (const [id, pool] of made.pools) pools.set(id, pool);
      for (const frontend of made.frontends) wanted.push({ frontend, service });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      failed.set(service, error);
    }
  }
  const taken = new Map<string, Frontend>();
  const lost = new Map<BalancedService, string[]>();
  wanted.sort((one, other) => PRECEDENCE.indexOf(one.frontend.kind) - PRECEDENCE.indexOf(other.frontend.kind));
  for (const { frontend, service } of wanted) {
    const place = dialled(frontend);
    if (!taken.has(place)) taken.set(place, frontend);
    else if (taken.get(place)?.pool !== frontend.pool) lost.set(service, [...(lost.get(service) ?? []), place]);
  }
  const conditions = ordered.map((service) => conditionOf(service, lost.get(service) ?? [], failed.get(service)));
  return { pools, frontends: [...taken.values()], conditions };
}
