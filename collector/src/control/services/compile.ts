/**
 * From the model to the maps: what of the kernel's tables differs from a model, in an order in which no program ever meets
 * a table that is half made. Backends first, then slots, heads and services, then frontends; what is gone goes the other
 * way round.
 */
import { addressBytes } from '../../correlate/address_text.ts';
import { backendEntry, type CellWrite, type Entry, frontendEntry, indexKey } from './layout.ts';
import type { Model } from './model.ts';
import { type LeftPool, PoolTable, type Room } from './pool_table.ts';
import { type Backend, type Frontend, type Pool, serviceIdOf } from './pools.ts';
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

/** What an earlier run left in the maps. */
export interface LeftTables {
  /** Of each the first cell is its service id. */
  readonly pools: readonly LeftPool[];
  /** Backends that no slot names, by index. */
  readonly strayBackends: readonly number[];
  readonly frontends: readonly Entry[];
  readonly nodes: readonly Entry[];
}

const NOTHING_LEFT: LeftTables = { pools: [], strayBackends: [], frontends: [], nodes: [] };

type Bytes = Map<string, Entry>;

const isSame = (one: Entry | undefined, other: Entry): boolean =>
  one === other || one?.value.equals(other.value) === true;

/** What is to be set and what is to go so that `held` becomes `wanted`. */
function difference(held: Bytes, wanted: Bytes): { set: Entry[]; gone: Buffer[] } {
  const set = [...wanted].filter(([id, entry]) => !isSame(held.get(id), entry));
  const gone = [...held].filter(([id]) => !wanted.has(id));
  return { set: set.map(([, entry]) => entry), gone: gone.map(([, entry]) => entry.key) };
}

const idOf = ({ key }: Entry): string => key.toString('latin1');

const byKey = (entries: Iterable<Entry>): Bytes => new Map(Array.from(entries, (entry) => [idOf(entry), entry]));

/** A frontend as it is written. */
interface Known {
  readonly service: number;
  readonly entry: Entry;
  readonly id: string;
}

/** Knows what the kernel's tables hold. */
export class ServiceTables {
  readonly #room: Room;
  readonly #mostFrontends: number;
  /** By service id. */
  readonly #pools = new Map<bigint, PoolTable>();
  #frontends: Bytes = new Map();
  readonly #entries = new WeakMap<Frontend, Known>();
  #nodes: Bytes = new Map();
  /** To be freed with the next change. */
  #strays: Entry[] = [];

  /**
   * @param left what an earlier run left in the maps; left out: they are empty
   * @param nowMs of the clock that `change` is told
   */
  constructor({ services, slots, backends, frontends }: Capacity, left: LeftTables = NOTHING_LEFT, nowMs = 0) {
    const one = (at: number) => ({ at, size: 1 });
    const indexes = left.pools.flatMap((pool) => [...pool.backends.keys()]).concat(left.strayBackends);
    this.#room = {
      services: Places.takenUp(
        services,
        left.pools.map(({ index }) => one(index)),
      ),
      slots: Places.takenUp(slots, left.pools.map(PoolTable.placesOf)),
      backends: Places.takenUp(backends, indexes.map(one)),
    };
    this.#mostFrontends = frontends;
    for (const pool of left.pools) this.#pools.set(pool.cells[0]!, PoolTable.takeUp(this.#room, pool));
    this.#frontends = byKey(left.frontends);
    this.#nodes = byKey(left.nodes);
    this.#strays = left.strayBackends.map((index) => {
      this.#room.backends.giveBack(index, 1, nowMs);
      return backendEntry(index, 0);
    });
  }

  /** Entries of each map that are taken; those that rest are not. */
  get used(): Capacity {
    const { services, slots, backends } = this.#room;
    return { services: services.used, slots: slots.used, backends: backends.used, frontends: this.#frontends.size };
  }

  /** The table of a pool that is in the kernel. */
  view(poolId: string): TableView | undefined {
    return this.#pools.get(serviceIdOf(poolId));
  }

  /**
   * What is to be written so that the kernel's tables are as the model says; the caller writes it, all of it.
   * Pools that only observe are in no table.
   * @param nowMs of a clock that never goes back
   */
  change(model: Pick<Model, 'pools' | 'frontends'>, nodes: NodeAddresses, nowMs: number): Changes {
    const changes = { backends: [] as Entry[], writes: [] as CellWrite[], backendsGone: this.#strays };
    this.#strays = [];
    const noRoom: string[] = [];
    const balanced = new Set<bigint>();
    for (const pool of model.pools.values()) {
      if (pool.mode === 'observe') continue;
      balanced.add(pool.serviceId);
      const made = this.#changePool(pool, nowMs);
      if (made === undefined) {
        noRoom.push(pool.id);
        continue;
      }
      for (const entry of made.backends) changes.backends.push(entry);
      for (const write of made.writes) changes.writes.push(write);
      for (const entry of made.freed) changes.backendsGone.push(entry);
    }
    const frontends = this.#changeFrontends(model.frontends, noRoom);
    const wantedNodes = byKey([...nodes].map(([address, { isOwn }]) => nodeEntry(address, isOwn)));
    const nodeChange = difference(this.#nodes, wantedNodes);
    this.#nodes = wantedNodes;
    const writesAfter: CellWrite[] = [];
    for (const [id, table] of this.#pools) {
      if (balanced.has(id)) continue;
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
    const known = this.#pools.get(pool.serviceId);
    const table = known ?? PoolTable.make(this.#room, nowMs);
    const made = table?.become(pool, nowMs);
    if (table !== undefined && made !== undefined) this.#pools.set(pool.serviceId, table);
    else if (known === undefined) table?.end(nowMs);
    return made;
  }

  #changeFrontends(frontends: readonly Frontend[], noRoom: string[]): { set: Entry[]; gone: Buffer[] } {
    const wanted: Bytes = new Map();
    for (const frontend of frontends) {
      const table = this.#pools.get(frontend.pool.serviceId);
      // A pool that only observes from now on may still have its table.
      if (table === undefined || frontend.pool.mode === 'observe') continue;
      if (wanted.size === this.#mostFrontends) {
        noRoom.push(frontend.pool.id);
        continue;
      }
      const { id, entry } = this.#entryOf(frontend, table.index);
      wanted.set(id, entry);
    }
    const made = difference(this.#frontends, wanted);
    this.#frontends = wanted;
    return made;
  }

  #entryOf(frontend: Frontend, service: number): Known {
    const known = this.#entries.get(frontend);
    if (known?.service === service) return known;
    const entry = frontendEntry(frontend, service);
    const made = { service, entry, id: idOf(entry) };
    this.#entries.set(frontend, made);
    return made;
  }
}

function nodeEntry(address: string, isOwn: boolean): Entry {
  return { key: Buffer.from(addressBytes(address)), value: indexKey(isOwn ? 1 : 0) };
}
