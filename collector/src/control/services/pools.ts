/** The frontends of one service, and the backends that each of them may bring a client to. */
import { createHash } from 'node:crypto';
import type { Mode } from '../../config_dataplane.ts';
import { type Basis, clusterCandidates, localCandidates, type OwnNode } from './candidates.ts';
import { Refused } from './refused.ts';
import type { BalancedPort, BalancedService } from './service_object.ts';
import type { BalancedSlice, SliceEndpoint } from './slice_object.ts';
import { type Family, type Protocol, protocolName } from './values.ts';

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
  /** The same as a number, never 0: what the kernel knows of it. */
  readonly serviceId: bigint;
  readonly namespace: string;
  readonly service: string;
  /** Port of the service, whatever node port leads to it. */
  readonly port: number;
  readonly mode: Mode;
  readonly affinitySeconds: number;
  readonly isLocal: boolean;
  /** Whether other nodes have candidates. */
  readonly hasOthers: boolean;
  readonly candidates: readonly Backend[];
  /** What makes them candidates, and how many endpoints there are, whatever their state. */
  readonly basis: Basis;
  readonly endpoints: number;
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
  readonly pool: Pool;
  /** What is dialled, in words: two frontends of the same are one. */
  readonly place: string;
}

/** Most backends of a pool: what a table's head can count. */
const MOST_CANDIDATES = 65_535;

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

/** First eight bytes of a hash; never 0, which is nobody's. */
export function serviceIdOf(poolId: string): bigint {
  return createHash('sha256').update(poolId).digest().readBigUInt64LE() || 1n;
}

/** What one service makes. */
export class ServicePools {
  readonly pools = new Map<string, Pool>();
  readonly frontends: Frontend[] = [];
  readonly #service: BalancedService;
  readonly #slices: readonly BalancedSlice[];
  readonly #node: OwnNode;
  readonly #mode: Mode;

  /** @throws Refused if it cannot be balanced */
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
      const which = `${dialled}/${protocolName(port.protocol)}`;
      const place = kind === 'node_port' ? `port ${which} of nodes, IPv${family}` : `${address} ${which}`;
      this.frontends.push({ kind, family, address, port: dialled, protocol: port.protocol, ownNodeOnly, pool, place });
    };
    const ofFamily = (address: string) => address.includes(':') === (family === 6);
    for (const address of clusterAddresses.filter(ofFamily)) add('cluster_ip', address, port.port, internalLocal);
    // "Traffic sent to an External IP or LoadBalancer IP from within the cluster will always get Cluster semantics, but
    // clients sending to a NodePort from within the cluster may need to take traffic policy into account" (ServiceSpec).
    for (const address of balancerAddresses.filter(ofFamily)) add('load_balancer_ip', address, port.port, false);
    for (const address of externalAddresses.filter(ofFamily)) add('external_ip', address, port.port, false);
    if (port.nodePort > 0) add('node_port', '', port.nodePort, externalLocal);
  }

  #pool(port: BalancedPort, family: Family, isLocal: boolean, endpoints: readonly Located[]): Pool {
    const { namespace, name, affinitySeconds } = this.#service;
    const policy = isLocal ? 'Local' : 'Cluster';
    const id = `${namespace}/${name}:${port.name}/${protocolName(port.protocol)}/IPv${family}/${policy}`;
    const known = this.pools.get(id);
    if (known !== undefined) return known;
    const everywhere = clusterCandidates(endpoints, this.#node);
    const { endpoints: chosen, basis } = isLocal ? localCandidates(endpoints, this.#node) : everywhere;
    if (chosen.length > MOST_CANDIDATES)
      throw new Refused('TooManyBackends', `${chosen.length} backends: a table has ${MOST_CANDIDATES} slots at most.`);
    const pool: Pool = {
      id,
      serviceId: serviceIdOf(id),
      namespace,
      service: name,
      port: port.port,
      mode: this.#mode,
      affinitySeconds,
      isLocal,
      hasOthers: isLocal && everywhere.endpoints.some((endpoint) => endpoint.node !== this.#node.name),
      candidates: chosen.map(({ address, port: target }) => ({ address, port: target, weight: 1 })),
      basis,
      endpoints: endpoints.length,
    };
    this.pools.set(id, pool);
    return pool;
  }
}
