/**
 * Who answers where: from Services and EndpointSlices, the frontends of this node's clients and the backends that each may
 * be brought to. Nothing is asked; what is kept is only so that what did not change is not made again.
 */

import type { Mode } from '../../config_dataplane.ts';
import type { Condition } from '../objects/source.ts';
import type { OwnNode } from './candidates.ts';
import { type Frontend, type FrontendKind, type Pool, ServicePools } from './pools.ts';
import { Refused } from './refused.ts';
import type { BalancedService } from './service_object.ts';
import type { BalancedSlice } from './slice_object.ts';

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

/** Who has an address that several want: the cluster's own are nobody's to take. */
const PRECEDENCE: readonly FrontendKind[] = ['cluster_ip', 'load_balancer_ip', 'node_port', 'external_ip'];

const serviceKey = (namespace: string, name: string): string => `${namespace}/${name}`;

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

function conditionOf(service: BalancedService, lost: readonly string[], failed: Refused | undefined): Condition {
  const object = { kind: 'Service', namespace: service.namespace, name: service.name };
  if (failed !== undefined) return { ...object, accepted: false, reason: failed.reason, message: failed.message };
  if (service.leftAlone !== '') return { ...object, accepted: true, reason: 'LeftAlone', message: service.leftAlone };
  const taken = lost.map((each) => `Another service has ${each}. Give one of the two another address or port.`);
  const limits = [...service.limits, ...taken];
  if (limits.length === 0) return { ...object, accepted: true, reason: 'Accepted', message: '' };
  return { ...object, accepted: true, reason: 'AcceptedInPart', message: limits.join(' ') };
}

type Made = ServicePools | Refused;

function make(service: BalancedService, slices: readonly BalancedSlice[], node: OwnNode, mode: Mode): Made {
  try {
    return new ServicePools(service, slices, node, mode);
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

/** Keeps what was made of a service as long as it is made of the same objects. */
export class Memo {
  readonly #made = new WeakMap<
    BalancedService,
    { slices: readonly BalancedSlice[]; node: OwnNode; mode: Mode; made: Made }
  >();

  make(service: BalancedService, slices: readonly BalancedSlice[], node: OwnNode, mode: Mode): Made {
    const known = this.#made.get(service);
    const same = known?.slices.length === slices.length && slices.every((slice, at) => slice === known.slices[at]);
    if (known !== undefined && same && known.mode === mode && known.node === node) return known.made;
    const made = make(service, slices, node, mode);
    this.#made.set(service, { slices, node, mode, made });
    return made;
  }
}

const NO_SLICES: readonly BalancedSlice[] = [];

/**
 * The model of all services. Of two services that want one frontend, the first by namespace and name has it.
 * @param memo of earlier models; pools of services that did not change are the same objects again
 */
export function modelOf({ services, slices, node, modeOf }: ModelInput, memo = new Memo()): Model {
  const grouped = byService(slices);
  const ordered = services
    .map((service) => ({ key: serviceKey(service.namespace, service.name), service }))
    .sort((one, other) => (one.key < other.key ? -1 : 1));
  const pools = new Map<string, Pool>();
  const wanted = new Map<FrontendKind, { frontend: Frontend; service: BalancedService }[]>(
    PRECEDENCE.map((kind) => [kind, []]),
  );
  const failed = new Map<BalancedService, Refused>();
  for (const { key, service } of ordered) {
    if (service.leftAlone !== '') continue;
    const mode = modeOf(service.namespace, service.name);
    const made = memo.make(service, grouped.get(key) ?? NO_SLICES, node, mode);
    if (made instanceof Refused) {
      failed.set(service, made);
      continue;
    }
    for (const [id, pool] of made.pools) pools.set(id, pool);
    for (const frontend of made.frontends) wanted.get(frontend.kind)?.push({ frontend, service });
  }
  const taken = new Map<string, Frontend>();
  const lost = new Map<BalancedService, string[]>();
  for (const { frontend, service } of [...wanted.values()].flat()) {
    const holder = taken.get(frontend.place);
    if (holder === undefined) taken.set(frontend.place, frontend);
    else if (holder.pool !== frontend.pool) lost.set(service, [...(lost.get(service) ?? []), frontend.place]);
  }
  const conditions = ordered.map(({ service }) => conditionOf(service, lost.get(service) ?? [], failed.get(service)));
  return { pools, frontends: [...taken.values()], conditions };
}
