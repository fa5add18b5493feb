/** Brings the redirect's maps from what they hold to what they are to hold. */
import { FlowspanError } from '../../../../store/errors.ts';
import type { BpfMap } from '../../../native/addon.ts';
import type { Entry } from './layout.ts';
import { type Plan, type Room, TABLES, type Table } from './plan.ts';

/** What of the loaded object is needed. */
interface Maps {
  map(name: string): BpfMap;
}

/** Writes the redirect's maps. The first writing begins with what an earlier run has left in them. */
export class RedirectTables {
  readonly #maps: Readonly<Record<Table, BpfMap>>;
  /** Values by key, in hexadecimal; undefined until they were read. */
  #held: Record<Table, Map<string, string>> | undefined;

  constructor(object: Maps) {
    this.#maps = Object.fromEntries(TABLES.map((table) => [table, object.map(table)])) as Record<Table, BpfMap>;
  }

  get room(): Room {
    return Object.fromEntries(TABLES.map((table) => [table, this.#maps[table].maxEntries])) as Room;
  }

  /** Entries of each map as they were written last. */
  entries(table: Table): number {
    return this.#held?.[table].size ?? 0;
  }

  /**
   * What is wanted first, then what is not any more. If that fails, the next call begins with what the maps hold then.
   * @throws NativeError, FlowspanError FLOW_REDIRECT_MAP_FULL
   */
  write(plan: Plan): void {
    const held = this.#held ?? this.#read();
    this.#held = undefined;
    // A proxy's ports are there before it is, and a pod's cgroup before others are told of its address.
    for (const table of ['proxy_ports', ...TABLES] as const) this.#add(table, held[table], plan[table]);
    for (const table of TABLES) this.#remove(table, held[table], plan[table]);
    this.#held = held;
  }

  close(): void {
    for (const map of Object.values(this.#maps)) map.close();
  }

  #add(table: Table, held: Map<string, string>, wanted: ReadonlyMap<string, Entry>): void {
    for (const [key, entry] of wanted) {
      const value = entry.value.toString('hex');
      if (held.get(key) === value) continue;
      if (!held.has(key) && held.size >= this.#maps[table].maxEntries) this.#removeUnwanted(table, held, wanted);
      this.#maps[table].update(entry.key, entry.value);
      held.set(key, value);
    }
  }

  /** Makes room. */
  #removeUnwanted(table: Table, held: Map<string, string>, wanted: ReadonlyMap<string, Entry>): void {
    this.#remove(table, held, wanted);
    if (held.size >= this.#maps[table].maxEntries)
      throw new FlowspanError('FLOW_REDIRECT_MAP_FULL', `map ${table} has no room for ${wanted.size} entries`);
  }

  #remove(table: Table, held: Map<string, string>, wanted: ReadonlyMap<string, Entry>): void {
    for (const key of [...held.keys()]) {
      if (wanted.has(key)) continue;
      this.#maps[table].delete(Buffer.from(key, 'hex'));
      held.delete(key);
    }
  }

  #read(): Record<Table, Map<string, string>> {
    return Object.fromEntries(
      TABLES.map((table) => {
        const { keySize, valueSize } = this.#maps[table];
        const { keys, values, count } = this.#maps[table].entries();
        const entries = Array.from({ length: count }, (_, at) => [
          keys.subarray(at * keySize, (at + 1) * keySize).toString('hex'),
          values.subarray(at * valueSize, (at + 1) * valueSize).toString('hex'),
        ]);
        return [table, new Map(entries as [string, string][])];
      }),
    ) as Record<Table, Map<string, string>>;
  }
}
