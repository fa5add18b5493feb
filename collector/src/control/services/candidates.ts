/** Which endpoints may be chosen, by Kubernetes' rules. */
import type { SliceEndpoint } from './slice_object.ts';

/** The node whose clients choose. */
export interface OwnNode {
  readonly name: string;
  /** Empty if it is not told. */
  readonly zone: string;
}

/** What makes an endpoint a candidate. */
export type Basis =
  /** It is ready. */
  | 'ready'
  /** None is ready; it still serves while it ends. */
  | 'terminating'
  /** There is none. */
  | 'none';

export interface Candidates<Endpoint> {
  readonly endpoints: readonly Endpoint[];
  readonly basis: Basis;
}

type State = Pick<SliceEndpoint, 'ready' | 'serving' | 'terminating' | 'node' | 'forZones' | 'forNodes'>;

/**
 * "If there are no ready endpoints, traffic goes to those that serve while they terminate"
 * (https://kubernetes.io/docs/concepts/services-networking/service/, "Traffic to terminating endpoints").
 */
function usable<Endpoint extends State>(endpoints: readonly Endpoint[]): Candidates<Endpoint> {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  if (ready.length > 0) return { endpoints: ready, basis: 'ready' };
  const ending = endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
  return { endpoints: ending, basis: ending.length > 0 ? 'terminating' : 'none' };
}

/**
 * Those of ready endpoints that are meant for this node, or else for its zone. Hints count only if all have them and they
 * leave somebody, or clients would crowd where the controller did not mean them to.
 */
function nearby<Endpoint extends State>(ready: readonly Endpoint[], node: OwnNode): readonly Endpoint[] {
  for (const [hintsOf, own] of [
    [(endpoint: Endpoint) => endpoint.forNodes, node.name],
    [(endpoint: Endpoint) => endpoint.forZones, node.zone],
  ] as const) {
    const meant = ready.filter((endpoint) => hintsOf(endpoint).includes(own));
    if (meant.length > 0 && ready.every((endpoint) => hintsOf(endpoint).length > 0)) return meant;
  }
  return ready;
}

/** Candidates where all nodes' endpoints count: traffic policy Cluster. */
export function clusterCandidates<Endpoint extends State>(
  endpoints: readonly Endpoint[],
  node: OwnNode,
): Candidates<Endpoint> {
  const all = usable(endpoints);
  return all.basis === 'ready' ? { endpoints: nearby(all.endpoints, node), basis: 'ready' } : all;
}

/** Candidates where the node's own endpoints alone count: traffic policy Local. */
export function localCandidates<Endpoint extends State>(
  endpoints: readonly Endpoint[],
  node: OwnNode,
): Candidates<Endpoint> {
  return usable(endpoints.filter((endpoint) => endpoint.node === node.name));
}
