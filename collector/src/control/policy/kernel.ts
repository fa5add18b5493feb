/**
 * Brings tables into the kernel: a whole set is written beside the one that counts, then takes its place at once. What
 * it takes the place of is freed later, so that no program that had begun meets half of it.
 */
import {
  POLICY_ADDRESS_KEY,
  POLICY_DECISION,
  POLICY_PAIR_KEY,
  POLICY_PORT_KEY,
  POLICY_SET,
  POLICY_SUBJECT_KEY,
} from '../../../../bpf/dataplane/policy.gen.ts';
import { FlowspanError } from '../../../../store/errors.ts';
import type { BpfMap, NativeError } from '../../../native/addon.ts';
import type { RefusalAnswer } from '../../config_dataplane.ts';
import type { PolicyTables } from './compile.ts';
import { responseUnit } from './http/response_unit.ts';
import { bytesOfUnit } from './http/unit_bytes.ts';
import { addressBytes, type Entry, pairBytes, portBytes, subjectBytes } from './layout.ts';
import { UnitMap } from './unit_map.ts';

const MAPS = {
  subjects: 'policy_subjects',
  addresses: 'policy_addresses',
  pairs: 'policy_pairs',
  ports: 'policy_ports',
} as const;
type Kind = keyof typeof MAPS;
/** Where the keys say their generation. */
const GENERATION_AT: Readonly<Record<Kind, number>> = {
  subjects: POLICY_SUBJECT_KEY.generation,
  addresses: POLICY_ADDRESS_KEY.generation,
  pairs: POLICY_PAIR_KEY.generation,
  ports: POLICY_PORT_KEY.generation,
};
type Sets = Readonly<Record<Kind, readonly Entry[]>>;

/** A cgroup of a pod. */
export interface PodCgroup {
  /** Inode number of its directory. */
  readonly id: bigint;
  /** How far it is below the root of cgroups, 1 to 31. */
  readonly level: number;
}

const FIRST = Buffer.alloc(4);

/** The policies' maps of a loaded object; whoever made the object closes it. */
export class PolicyMaps {
  readonly #maps: Readonly<Record<Kind, BpfMap>>;
  readonly #current: BpfMap;
  readonly #refusal: RefusalAnswer;
  #generation: number;
  #levels: number;
  /** Sets that count no more, with their keys. */
  readonly #old: Record<Kind, Buffer>[] = [];
  #keys: Record<Kind, Buffer> | undefined;
  readonly #units: UnitMap;
  /** Numbers of the units that the set which counts names. */
  #named = new Set<number>();
  /** Of the set that counts, if this process has written it. */
  #subjects: PolicyTables['subjects'] = new Map();

  /** @param refusal how requests are refused */
  constructor(object: { map(name: string): BpfMap }, refusal: RefusalAnswer = 'forbidden') {
    this.#refusal = refusal;
    const { subjects, addresses, pairs, ports } = MAPS;
    this.#maps = {
      subjects: object.map(subjects),
      addresses: object.map(addresses),
      pairs: object.map(pairs),
      ports: object.map(ports),
    };
    this.#units = new UnitMap(object.map('http_units'));
    // Always the same bytes: whoever reads in it meanwhile does not notice.
    object.map('http_response_unit').update(FIRST, bytesOfUnit(responseUnit(), 0));
    this.#current = object.map('policy_sets');
    const set = this.#current.lookup(FIRST) ?? Buffer.alloc(POLICY_SET.size);
    this.#generation = set.readUInt32LE(POLICY_SET.generation);
    this.#levels = set.readUInt32LE(POLICY_SET.cgroup_levels);
    if (this.#generation !== 0) this.#takeUp();
  }

  /** Most units of one set: `Bounds.units`. */
  get mostUnits(): number {
    return this.#units.mostOfSet;
  }

  /** Number of the set that counts; 0: none. */
  get generation(): number {
    return this.#generation;
  }

  /** Number that the next set will have; 0 is none. */
  get nextGeneration(): number {
    return (this.#generation + 1) >>> 0 || 1;
  }

  /** Entries of each map, by its name: those of the set that counts. */
  get entries(): Readonly<Record<string, number>> {
    const count = (kind: Kind) => (this.#keys?.[kind].length ?? 0) / this.#maps[kind].keySize;
    return Object.fromEntries((Object.keys(MAPS) as Kind[]).map((kind) => [kind, count(kind)]));
  }

  /**
   * Writes a set and lets it count. If there is no room for it the one before stays in force.
   * @param cgroupsOf a pod's cgroups, by its UID; sockets that are made in or below them are the pod's
   * @throws FLOW_POLICY_MAP_WRITE, or FLOW_POLICY_UNITS_FULL, which passes when `free` was called
   */
  write(tables: PolicyTables, cgroupsOf: (uid: string) => readonly PodCgroup[]): void {
    const generation = this.nextGeneration;
    const units = this.#units.write(tables.units, generation);
    const sets: Sets = {
      subjects: [...tables.subjects].flatMap(([uid, subject]) =>
        cgroupsOf(uid).map(({ id }) => subjectBytes(generation, id, subject, this.#refusal)),
      ),
      addresses: tables.addresses.map((entry) => addressBytes(generation, entry)),
      pairs: tables.pairs.map((entry) => pairBytes(generation, entry)),
      ports: tables.ports.map((entry) => portBytes(generation, entry, tables, units)),
    };
    const keys = this.#write(sets);
    this.#addLevels([...tables.subjects.keys()].flatMap(cgroupsOf));
    this.#generation = generation;
    this.#writeSet();
    if (this.#keys !== undefined) this.#old.push(this.#keys);
    this.#keys = keys;
    this.#named = new Set(units);
    this.#subjects = tables.subjects;
  }

  /**
   * Lets more cgroups be a pod's, in the set that counts and that this process has written: what is made in them from now
   * on is judged.
   * @throws FLOW_POLICY_MAP_WRITE
   */
  addCgroups(uid: string, cgroups: readonly PodCgroup[]): void {
    const subject = this.#subjects.get(uid);
    if (subject === undefined || this.#keys === undefined) return;
    const entries = cgroups.map(({ id }) => subjectBytes(this.#generation, id, subject, this.#refusal));
    const added = this.#write({ subjects: entries, addresses: [], pairs: [], ports: [] });
    this.#keys.subjects = Buffer.concat([this.#keys.subjects, added.subjects]);
    this.#addLevels(cgroups);
  }

  /** Frees the sets that count no more: a second or more after `write`, when every program that read them has ended. */
  free(): void {
    for (const keys of this.#old.splice(0)) this.#delete(keys);
    this.#units.keep(this.#named);
  }

  /** Of maps that another process has written: which keys are of the set that counts, and which count no more. */
  #takeUp(): void {
    const [current, old] = [{}, {}] as [Record<Kind, Buffer>, Record<Kind, Buffer>];
    for (const kind of Object.keys(MAPS) as Kind[]) {
      const { keySize, valueStride } = this.#maps[kind];
      const { keys, values, count } = this.#maps[kind].entries();
      const all = Array.from({ length: count }, (_, index) => keys.subarray(index * keySize, (index + 1) * keySize));
      const isCurrent = (key: Buffer) => key.readUInt32LE(GENERATION_AT[kind]) === this.#generation;
      current[kind] = Buffer.concat(all.filter(isCurrent));
      old[kind] = Buffer.concat(all.filter((key) => !isCurrent(key)));
      if (kind !== 'ports') continue;
      for (const [index, key] of all.entries())
        if (isCurrent(key)) this.#named.add(values.readUInt32LE(index * valueStride + POLICY_DECISION.http_unit));
    }
    this.#keys = current;
    this.#old.push(old);
  }

  /** They come before what needs them and stay: whoever reads one field old and one new is right all the same. */
  #addLevels(cgroups: readonly PodCgroup[]): void {
    this.#levels = cgroups.reduce((bits, { level }) => bits | (1 << level), this.#levels);
    this.#writeSet();
  }

  #writeSet(): void {
    const value = Buffer.alloc(POLICY_SET.size);
    value.writeUInt32LE(this.#generation, POLICY_SET.generation);
    value.writeUInt32LE(this.#levels >>> 0, POLICY_SET.cgroup_levels);
    this.#current.update(FIRST, value);
  }

  #write(sets: Sets): Record<Kind, Buffer> {
    const keys = {} as Record<Kind, Buffer>;
    for (const kind of Object.keys(MAPS) as Kind[]) {
      keys[kind] = Buffer.concat(sets[kind].map(({ key }) => key));
      const values = Buffer.concat(sets[kind].map(({ value }) => value));
      const failed = failureOf(this.#maps[kind], keys[kind], values, sets[kind].length);
      if (failed === undefined) continue;
      this.#delete(keys);
      throw new FlowspanError(
        'FLOW_POLICY_MAP_WRITE',
        `${MAPS[kind]} does not take ${sets[kind].length} entries (${failed}), the policies before stay in force: use fewer label sets, networks or ports in policies`,
      );
    }
    return keys;
  }

  #delete(keys: Partial<Record<Kind, Buffer>>): void {
    for (const kind of Object.keys(keys) as Kind[]) {
      const these = keys[kind];
      if (these !== undefined && these.length > 0) this.#maps[kind].deleteBatch(these);
    }
  }
}

/** Writes entries. @returns why not all of them are there */
function failureOf(map: BpfMap, keys: Buffer, values: Buffer, count: number): string | undefined {
  if (count === 0) return undefined;
  try {
    return map.updateBatch(keys, values) === count ? undefined : 'it is full';
  } catch (error) {
    return (error as NativeError).cause;
  }
}
