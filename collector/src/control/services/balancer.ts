/**
 * Keeps the kernel's load balancing as the objects say. It is told of Services, EndpointSlices and Nodes one by one, and
 * brings what they make to the kernel when it is told that what it has heard belongs together.
 */

import type { Mode } from '../../config_dataplane.ts';
import type { Condition, Refusal } from '../objects/source.ts';
import type { OwnNode } from './candidates.ts';
import type { Capacity, Changes, NodeAddresses, ServiceTables } from './compile.ts';
import { Memo, modelOf } from './model.ts';
import { type BalancedNode, readBalancedNode } from './node_object.ts';
import type { Pool } from './pools.ts';
import { Refused } from './refused.ts';
import { type BalancedService, readBalancedService } from './service_object.ts';
import { type BalancedSlice, readBalancedSlice } from './slice_object.ts';

/** Kinds that it wants to be told of. */
export const BALANCED_KINDS = ['Service', 'EndpointSlice', 'Node'] as const;

interface ObjectId {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface BalancerOptions {
  /** Name of the node whose clients are balanced. */
  readonly node: string;
  /** Mode of a service, as configured now. */
  readonly modeOf: (namespace: string, service: string) => Mode;
  /** What the kernel's tables hold now: asked for at first, and again after a change that failed. */
  readonly readTables: () => ServiceTables;
  /** Brings changes to the kernel. */
  readonly apply: (changes: Changes) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

const READERS: Readonly<Record<string, (object: unknown) => BalancedService | BalancedSlice | BalancedNode>> = {
  Service: readBalancedService,
  EndpointSlice: readBalancedSlice,
  Node: readBalancedNode,
};

/** Why an object cannot be taken; undefined if it can. */
export function checkBalanced({ kind }: { readonly kind: string }, object: unknown): Refusal | undefined {
  try {
    READERS[kind]?.(object);
    return undefined;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { reason: error.reason, message: error.message };
  }
}

const keyOf = ({ namespace, name }: ObjectId): string => `${namespace}/${name}`;

export class ServiceBalancer {
  readonly #options: BalancerOptions;
  readonly #services = new Map<string, BalancedService>();
  readonly #slices = new Map<string, BalancedSlice>();
  readonly #nodes = new Map<string, BalancedNode>();
  readonly #memo = new Memo();
  #own: OwnNode;
  #tables: ServiceTables | undefined;
  #conditions: readonly Condition[] = [];
  #pools: ReadonlyMap<string, Pool> = new Map();

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#own = { name: options.node, zone: '' };
  }

  /** An object that is new or changed, and that `checkBalanced` lets pass. */
  take(id: ObjectId, object: unknown): void {
    if (id.kind === 'Service') this.#services.set(keyOf(id), readBalancedService(object));
    else if (id.kind === 'EndpointSlice') this.#slices.set(keyOf(id), readBalancedSlice(object));
    else if (id.kind === 'Node') this.#nodes.set(id.name, readBalancedNode(object));
  }

  delete(id: ObjectId): void {
    if (id.kind === 'Service') this.#services.delete(keyOf(id));
    else if (id.kind === 'EndpointSlice') this.#slices.delete(keyOf(id));
    else if (id.kind === 'Node') this.#nodes.delete(id.name);
  }

  /** How each Service stands, as of the last `settled`. */
  conditions(): readonly Condition[] {
    return this.#conditions;
  }

  /** What has a table, or would have one if it did not only observe; as of the last `settled`. */
  get pools(): ReadonlyMap<string, Pool> {
    return this.#pools;
  }

  /** Entries of the kernel's maps that are taken. */
  get used(): Capacity | undefined {
    return this.#tables?.used;
  }

  /**
   * Brings what was told to the kernel; also after a mode has changed.
   * @throws FlowspanError if the kernel takes it not; the next call begins with what the kernel has then
   */
  settled(): void {
    const { modeOf, readTables, apply, nowMs = () => performance.now() } = this.#options;
    const zone = this.#nodes.get(this.#own.name)?.zone ?? '';
    if (zone !== this.#own.zone) this.#own = { name: this.#own.name, zone };
    const [services, slices] = [[...this.#services.values()], [...this.#slices.values()]];
    const model = modelOf({ services, slices, node: this.#own, modeOf }, this.#memo);
    const tables = this.#tables ?? readTables();
    this.#tables = undefined;
    const changes = tables.change(model, this.#nodeAddresses(), nowMs());
    apply(changes);
    this.#tables = tables;
    this.#pools = model.pools;
    this.#conditions = withoutRoom(model.conditions, model.pools, changes.noRoom);
  }

  #nodeAddresses(): NodeAddresses {
    const all = [...this.#nodes.values()].flatMap(({ name, addresses }) =>
      addresses.map((address) => [address, { isOwn: name === this.#own.name }] as const),
    );
    return new Map(all);
  }
}

/** Services for which the kernel's tables have no room are told as such. */
function withoutRoom(
  conditions: readonly Condition[],
  pools: ReadonlyMap<string, Pool>,
  noRoom: readonly string[],
): readonly Condition[] {
  if (noRoom.length === 0) return conditions;
  const services = new Set(noRoom.map((id) => `${pools.get(id)?.namespace}/${pools.get(id)?.service}`));
  return conditions.map((condition) =>
    services.has(keyOf(condition))
      ? {
          ...condition,
          accepted: false,
          reason: 'NoRoom',
          message: 'The tables in the kernel are full: it stays as it was before. Give the maps more entries.',
        }
      : condition,
  );
}
