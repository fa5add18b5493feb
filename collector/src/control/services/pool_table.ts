/** One pool in the kernel: its entry of `services`, its table, its backends. */
import { backendEntry, type CellWrite, type Entry, headWrite, serviceCells, slotWrite } from './layout.ts';
import type { Backend, Pool } from './pools.ts';
import type { Places } from './rest.ts';
import { nextSlots } from './slots.ts';

/** What the pools of a machine share. */
export interface Room {
  readonly services: Places;
  readonly slots: Places;
  readonly backends: Places;
}

/** What is to be written for a pool, in the order in which it must be. */
export interface PoolChange {
  /** Before anything names them. */
  readonly backends: Entry[];
  readonly writes: CellWrite[];
  /** After nothing names them any more. */
  readonly freed: Entry[];
}

export const noChange = (): PoolChange => ({ backends: [], writes: [], freed: [] });

interface Named {
  readonly index: number;
  readonly backend: Backend;
}

/** As many places as a table of so many slots takes, its head included: room to grow in place. */
function placesFor(slots: number): number {
  return 2 ** Math.ceil(Math.log2(slots + 1));
}

/** Of an entry of `services`, whose first cell is its id and whose last names its table. */
const FIRST_CELL_FIRST = [0, 1, 2];
const LAST_CELL_FIRST = [2, 1, 0];

const keyOf = ({ address, port }: Backend): string => `${address} ${port}`;

/** A pool as an earlier run left it. */
export interface LeftPool {
  /** Index in `services`, and its cells. */
  readonly index: number;
  readonly cells: readonly bigint[];
  readonly table: number;
  readonly version: number;
  /** Index in `service_backends` by slot. */
  readonly slots: readonly number[];
  /** Backends by their index. */
  readonly backends: ReadonlyMap<number, Pick<Backend, 'address' | 'port'>>;
}

export class PoolTable {
  readonly #room: Room;
  /** Index in `services`. */
  readonly index: number;
  readonly #backends = new Map<string, Named>();
  #slots: readonly string[] = [];
  #cells: readonly bigint[] = [];
  /** What it is now; undefined while it is what an earlier run left. */
  #pool: Pool | undefined;
  #table: { at: number; places: number };
  #version = 0;

  private constructor(room: Room, index: number, table: { at: number; places: number }) {
    this.#room = room;
    this.index = index;
    this.#table = table;
  }

  /** @returns undefined if there is no room for another pool */
  static make(room: Room, nowMs: number): PoolTable | undefined {
    const index = room.services.take(1, nowMs);
    if (index === undefined) return undefined;
    const at = room.slots.take(1, nowMs);
    if (at !== undefined) return new PoolTable(room, index, { at, places: 1 });
    room.services.cancel(index, 1);
    return undefined;
  }

  /** @param room in which its places are taken */
  static takeUp(room: Room, left: LeftPool): PoolTable {
    const pool = new PoolTable(room, left.index, { at: left.table, places: placesFor(left.slots.length) });
    const keys = new Map<number, string>();
    for (const [index, { address, port }] of left.backends) {
      const backend = { address, port, weight: 1 };
      keys.set(index, keyOf(backend));
      pool.#backends.set(keyOf(backend), { index, backend });
    }
    // A slot of nobody, which a run that was killed may have left, is nobody's wish: it is given to somebody else.
    pool.#slots = left.slots.map((index) => keys.get(index) ?? '');
    pool.#cells = left.cells;
    pool.#version = left.version;
    return pool;
  }

  /** Places of a pool's table. */
  static placesOf({ table, slots }: LeftPool): { at: number; size: number } {
    return { at: table, size: placesFor(slots.length) };
  }

  /** Version of the table; it counts its changes. */
  get version(): number {
    return this.#version;
  }

  /** Backends by slot. */
  get slots(): readonly Backend[] {
    return this.#slots.flatMap((key) => this.#backends.get(key)?.backend ?? []);
  }

  /** Makes it what the pool says. @returns what is to be written; undefined if there is no room, and all stays as it was */
  become(pool: Pool, nowMs: number): PoolChange | undefined {
    if (pool === this.#pool) return noChange();
    const wanted = new Map(pool.candidates.map((backend) => [keyOf(backend), backend]));
    const weights = new Map([...wanted].map(([key, { weight }]) => [key, weight]));
    const slots = nextSlots(this.#slots, weights);
    const coming = [...wanted].filter(([key]) => !this.#backends.has(key));
    const change = noChange();
    const taken = this.#takePlaces(coming.length, slots.length, nowMs);
    if (taken === undefined) return undefined;
    for (const [order, [key, backend]] of coming.entries()) {
      const index = taken.backends[order]!;
      this.#backends.set(key, { index, backend });
      change.backends.push(backendEntry(index, this.index, backend));
    }
    this.#writeTable(change, slots, wanted.size, taken.table);
    // Its id last: until then the entry is nobody's, also for a run that takes up what this one left half done.
    this.#writeCells(change, serviceCells(taken.table.at, pool), LAST_CELL_FIRST);
    for (const [key, { index }] of this.#backends) {
      if (wanted.has(key)) continue;
      this.#backends.delete(key);
      this.#free(change, index, nowMs);
    }
    if (taken.table !== this.#table) this.#room.slots.giveBack(this.#table.at, this.#table.places, nowMs);
    this.#table = taken.table;
    this.#slots = slots;
    this.#pool = pool;
    return change;
  }

  /** Ends it. No frontend may name it any more. */
  end(nowMs: number): PoolChange {
    const change = noChange();
    for (const { index } of this.#backends.values()) this.#free(change, index, nowMs);
    change.writes.push(headWrite(this.#table.at, this.#version + 1, 0, 0));
    this.#writeCells(change, serviceCells(this.#table.at), FIRST_CELL_FIRST);
    this.#room.slots.giveBack(this.#table.at, this.#table.places, nowMs);
    this.#room.services.giveBack(this.index, 1, nowMs);
    return change;
  }

  /** All places that a change needs, or none. A table that fits where it is stays there, unless it became far too big. */
  #takePlaces(
    backends: number,
    slots: number,
    nowMs: number,
  ): { backends: readonly number[]; table: { at: number; places: number } } | undefined {
    const places = placesFor(slots);
    const fits = places <= this.#table.places && places * 4 > this.#table.places;
    const at = fits ? this.#table.at : this.#room.slots.take(places, nowMs);
    if (at === undefined) return undefined;
    const taken: number[] = [];
    for (let count = 0; count < backends; count += 1) {
      const index = this.#room.backends.take(1, nowMs);
      if (index !== undefined) {
        taken.push(index);
        continue;
      }
      for (const each of taken) this.#room.backends.cancel(each, 1);
      if (!fits) this.#room.slots.cancel(at, places);
      return undefined;
    }
    return { backends: taken, table: fits ? this.#table : { at, places } };
  }

  /** Slots first, the head that counts them last: until then whoever reads the old head finds backends that are there. */
  #writeTable(change: PoolChange, slots: readonly string[], candidates: number, table: { at: number }): void {
    const moved = table !== this.#table;
    const before = this.#slots;
    const isSame = slots.length === before.length && slots.every((key, slot) => key === before[slot]);
    if (isSame && !moved && this.#version > 0) return;
    for (const [slot, key] of slots.entries()) {
      if (moved || key !== before[slot])
        change.writes.push(slotWrite(table.at + 1 + slot, this.#backends.get(key)!.index));
    }
    this.#version += 1;
    change.writes.push(headWrite(table.at, this.#version, slots.length, candidates));
  }

  #writeCells(change: PoolChange, cells: readonly bigint[], order: readonly number[]): void {
    for (const cell of order) {
      const value = cells[cell]!;
      if (value !== this.#cells[cell]) change.writes.push({ target: 'service', cell, index: this.index, value });
    }
    this.#cells = cells;
  }

  #free(change: PoolChange, index: number, nowMs: number): void {
    change.freed.push(backendEntry(index, this.index));
    this.#room.backends.giveBack(index, 1, nowMs);
  }
}
