/**
 * From the model to the maps: what of the kernel's tables differs from a model, in an order in which no program ever meets
 * a table that is half made. Backends first, then slots, heads and services, then frontends; what is gone goes the other
 * way round.
 */
import { addressBytes } from '../../correlate/address_text.ts';
import { type CellWrite, type Entry, frontendEntry, indexKey } from './layout.ts';
import type { Backend, Model, Pool } from './model.ts';
import { PoolTable, type Room } from './pool_table.ts';
import { Places } from './rest.ts';

/** Most entries of each map. */
export interface Capacity {
  readonly services: number;
  readonly slots: number;
  readonly backends: number;
  readonly frontends: number;
}

/** Addresses of the cluster's nodes, and which of them are this node's. */
export type NodeAddresses = ReadonlyMap<string, { readonly isOwn: boolean }>;

/** One step after the other. */
export interface Changes {
  readonly backends: readonly Entry[];
  readonly writes: readonly CellWrite[];
  readonly frontends: readonly Entry[];
  readonly nodes: readonly Entry[];
  readonly frontendsGone: readonly Buffer[];
  readonly nodesGone: readonly Buffer[];
  /** Of services that are gone. */
  readonly writesAfter: readonly CellWrite[];
  readonly backendsGone: readonly Entry[];
  /** Pools for whose change there was no room: they stay as they were, or out. */
  readonly noRoom: readonly string[];
}

/** A table as it is. */
export interface TableView {
  readonly version: number;
  readonly slots: readonly Backend[];
}

type Bytes = Map<string, Entry>;

/** What is to be set and what is to go so that `held` becomes `wanted`. */
function difference(held: Bytes, wanted: Bytes): { set: Entry[]; gone: Buffer[] } {
  const set = [...wanted].filter(([id, entry]) => held.get(id)?.value.equals(entry.value) !== true);
  const gone = [...held].filter(([id]) => !wanted.has(id));
  return { set: set.map(([, entry]) => entry), gone: gone.map(([, entry]) => entry.key) };
}

const byKey = (entries: Iterable<Entry>): Bytes =>
  new Map(Array.from(entries, (entry) => [entry.key.toString('latin1'), entry]));

/** Knows what the kernel's tables hold. */
export class ServiceTables {
  readonly #room: Room;
  readonly #mostFrontends: number;
  readonly #pools = new Map<string, PoolTable>();
  #frontends: Bytes = new Map();
  #nodes: Bytes = new Map();

  constructor({ services, slots, backends, frontends }: Capacity) {
    this.#room = { services: new Places(services), slots: new Places(slots), backends: new Places(backends) };
    this.#mostFrontends = frontends;
  }

  /** The table of a pool that is in the kernel. */
  view(poolId: string): TableView | undefined {
    return this.#pools.get(poolId);
  }

  /**
   * What is to be written so that the kernel's tables are as the model says; the caller writes it, all of it.
   * Pools that only observe are in no table.
   * @param nowMs of a clock that never goes back
   */
  change(model: Pick<Model, 'pools' | 'frontends'>, nodes: NodeAddresses, nowMs: number): Changes {
    const changes = { backends: [] as Entry[], writes: [] as CellWrite[], backendsGone: [] as Entry[] };
    const noRoom: string[] = [];
    for (const pool of model.pools.values()) {
      if (pool.mode === 'observe') continue;
      const made = this.#changePool(pool, nowMs);
      if (made === undefined) {
        noRoom.push(pool.id);
        continue;
      }
      for (const entry of made.backends) changes.backends.push(entry);
      for (const write of made.writes) changes.writes.push(write);
      for (const entry of made.freed) changes.backendsGone.push(entry);
    }
    const frontends = this.#changeFrontends(model, noRoom);
    const wantedNodes = byKey([...nodes].map(([address, { isOwn }]) => nodeEntry(address, isOwn)));
    const nodeChange = difference(this.#nodes, wantedNodes);
    this.#nodes = wantedNodes;
    const writesAfter: CellWrite[] = [];
    for (const [id, table] of this.#pools) {
      const pool = model.pools.get(id);
      if (pool !== undefined && pool.mode !== 'observe') continue;
      const ended = table.end(nowMs);
      this.#pools.delete(id);
      for (const write of ended.writes) writesAfter.push(write);
      for (const entry of ended.freed) changes.backendsGone.push(entry);
    }
    return {
      ...changes,
      frontends: frontends.set,
      nodes: nodeChange.set,
      frontendsGone: frontends.gone,
      nodesGone: nodeChange.gone,
      writesAfter,
      noRoom,
    };
  }

  #changePool(pool: Pool, nowMs: number) {
    const known = this.#pools.get(pool.id);
    const table = known ?? PoolTable.make(this.#room, nowMs);
    const made = table?.become(pool, nowMs);
    if (table !== undefined && made !== undefined) this.#pools.set(pool.id, table);
    else if (known === undefined) table?.end(nowMs);
    return made;
  }

  #changeFrontends({ pools, frontends }: Pick<Model, 'pools' | 'frontends'>, noRoom: string[]) {
    const wanted: Entry[] = [];
    for (const frontend of frontends) {
      const table = this.#pools.get(frontend.pool);
      // A pool that only observes from now on may still have its table.
      if (table === undefined || pools.get(frontend.pool)?.mode === 'observe') continue;
      if (wanted.length < this.#mostFrontends) wanted.push(frontendEntry(frontend, table.index));
      else noRoom.push(frontend.pool);
    }
    const entries = byKey(wanted);
    const made = difference(this.#frontends, entries);
    this.#frontends = entries;
    return made;
  }
}

function nodeEntry(address: string, isOwn: boolean): Entry {
  return { key: Buffer.from(addressBytes(address)), value: indexKey(isOwn ? 1 : 0) };
}
