/** Every endpoint seen: a small number for the data path, an id for rows, a row of its own with its validity. */
import type { Identity } from '../control/identity.ts';
import { isSomethingElse } from './endpoint_change.ts';

/** `valid_to` of what still holds. */
export const OPEN_END = '2262-01-01T00:00:00.000000000Z';

/** Rows of table `endpoints`, without cluster and node. */
export interface EndpointRow {
  readonly identity: Identity;
  readonly cgroupId: number;
  readonly addresses: readonly string[];
  readonly validFromNs: bigint;
  /** Undefined while it holds. */
  readonly validToNs: bigint | undefined;
}

interface Entry {
  identity: Identity;
  cgroupId: number;
  readonly addresses: Set<string>;
  validFromNs: bigint;
  validToNs: bigint | undefined;
  /** Rounds without use; see `sweep`. */
  idle: number;
}

/** Addresses that are told of one endpoint. */
const ADDRESSES = 16;
/** Intervals that end within a second because of new labels; those beyond are told as if they had always been so. */
const MOST_PAST = 10_000;
/** An endpoint that has ended and was not used for so many rounds of so many milliseconds is given up. */
const IDLE_ROUNDS = 16;
const ROUND_MS = 60_000;
const NOBODY: ReadonlySet<number> = new Set();

/**
 * Number 0 stands for an end that is not known. Numbers are given out again, but only after nobody has come across them
 * for a quarter of an hour: longer than connections, servers and addresses are remembered by them. Whoever remembers
 * them for longer is told by `sweep`.
 */
export class Endpoints {
  readonly #most: number;
  readonly #numbers = new Map<bigint, number>();
  /** By number. */
  readonly #entries: (Entry | undefined)[] = [undefined];
  readonly #free: number[] = [];
  /** Those that have not ended, by their cgroup; empty for those elsewhere. */
  readonly #living = new Map<string, Set<number>>();
  readonly #changed = new Set<number>();
  /** Intervals that are over and have not been told. */
  #past: EndpointRow[] = [];
  readonly #known: Map<bigint, bigint>;
  /** By number, 1: somebody has come across it in this round. */
  #used = new Uint8Array(256);
  #roundMs = 0;
  /** Low and high half of each endpoint's id, by number. */
  idLow = new Uint32Array(256);
  idHigh = new Uint32Array(256);
  /** How often an endpoint was taken up, began again, ended, became something else or was given up. */
  changes = 0;
  /** How often a number began to stand for another name, workload or endpoint. */
  renamed = 0;

  /**
   * @param most endpoints that are kept at most
   * @param known since when endpoints hold that an earlier run saw, by id; nanoseconds since the epoch
   */
  constructor(most: number, known: ReadonlyMap<bigint, bigint> = new Map()) {
    this.#most = most;
    this.#known = new Map(known);
  }

  get count(): number {
    return this.#numbers.size;
  }

  /**
   * The number of an endpoint, taken up now if it is new.
   * @param nowNs since when it holds if it is new, nanoseconds since the epoch
   * @param lives whether one that had ended begins again by this; false for what comes late
   * @returns 0 if there is no room for another
   */
  number(identity: Identity, cgroupId: number, nowNs: bigint, lives = true): number {
    const known = this.#numbers.get(identity.id);
    if (known !== undefined) {
      this.#used[known] = 1;
      if (lives) this.#update(known, identity, cgroupId, nowNs);
      return known;
    }
    const number = this.#free.pop() ?? this.#entries.length;
    if (number > this.#most) return 0;
    const validFromNs = this.#known.get(identity.id) ?? nowNs;
    // What an earlier run saw begin holds until it ends.
    this.#known.delete(identity.id);
    const validToNs = lives ? undefined : identity.validToNs;
    this.changes += 1;
    this.#entries[number] = { identity, cgroupId, addresses: new Set(), validFromNs, validToNs, idle: 0 };
    this.#numbers.set(identity.id, number);
    this.#writeId(number, identity.id);
    this.#used[number] = 1;
    if (validToNs === undefined) this.#begin(number, identity);
    this.#changed.add(number);
    return number;
  }

  /** An end of a record is resolved to this number. */
  use(number: number): void {
    this.#used[number] = 1;
  }

  /**
   * To be called every second or so: gives up endpoints that ended and were not used for a while.
   * @param nowMs any time that only grows, milliseconds
   * @returns numbers that stand for nobody any more; who remembers them must forget them now
   */
  sweep(nowMs: number): ReadonlySet<number> {
    if (nowMs - this.#roundMs < ROUND_MS) return NOBODY;
    this.#roundMs = nowMs;
    const gone = new Set<number>();
    for (const [number, entry] of this.#entries.entries()) {
      if (entry === undefined) continue;
      entry.idle = this.#used[number] === 1 ? 0 : entry.idle + 1;
      this.#used[number] = 0;
      if (entry.idle < IDLE_ROUNDS || entry.validToNs === undefined || this.#changed.has(number)) continue;
      gone.add(number);
      this.#entries[number] = undefined;
      this.#numbers.delete(entry.identity.id);
      this.#free.push(number);
    }
    if (gone.size > 0) this.renamed += 1;
    this.changes += gone.size;
    return gone;
  }

  /** The number of an endpoint that has been seen; 0 for others. */
  numberOf(id: bigint): number {
    return this.#numbers.get(id) ?? 0;
  }

  /** Whether an endpoint is over, as far as is known: what was remembered to be its may be another's by now. */
  hasEnded(number: number): boolean {
    return this.#entries[number]?.validToNs !== undefined;
  }

  /** Who an endpoint is, by its number; undefined for 0. */
  identity(number: number): Identity | undefined {
    return this.#entries[number]?.identity;
  }

  /** Who an endpoint is, by its id; undefined if it has not been seen. */
  identityOf(id: bigint): Identity | undefined {
    return this.#entries[this.numberOf(id)]?.identity;
  }

  /** One more address at which an endpoint is reached. */
  addAddress(number: number, address: string): void {
    const entry = this.#entries[number];
    if (entry === undefined || entry.addresses.size >= ADDRESSES || entry.addresses.has(address)) return;
    entry.addresses.add(address);
    this.#changed.add(number);
  }

  /**
   * More, or something else, is known of an endpoint; one that has not been seen is left alone.
   * @param nowNs since when it is so if it was something else before, nanoseconds since the epoch
   */
  refresh(identity: Identity, nowNs: bigint): void {
    const number = this.numberOf(identity.id);
    const entry = this.#entries[number];
    if (entry !== undefined) this.#describe(number, entry, identity, nowNs);
  }

  /** An endpoint ended, as its source says; what was seen here before stands. */
  end(id: bigint, timeNs: bigint): void {
    this.#end(this.numberOf(id), timeNs);
  }

  /** A cgroup ended, and with it the endpoints that lived there. */
  endCgroup(path: string, timeNs: bigint): void {
    for (const number of this.#living.get(path) ?? []) this.#end(number, timeNs);
  }

  /** What changed since it was last asked for. */
  takeChanged(): EndpointRow[] {
    const rows = this.#past;
    this.#past = [];
    for (const number of this.#changed) rows.push(rowOf(this.#entries[number] as Entry));
    this.#changed.clear();
    return rows;
  }

  /** Since when each endpoint that still holds does, by id: what the next run should know. */
  validity(): Map<bigint, bigint> {
    const open = new Map<bigint, bigint>();
    for (const entry of this.#entries)
      if (entry !== undefined && entry.validToNs === undefined) open.set(entry.identity.id, entry.validFromNs);
    return open;
  }

  #end(number: number, timeNs: bigint): void {
    const entry = this.#entries[number];
    if (entry === undefined || entry.validToNs !== undefined) return;
    entry.validToNs = timeNs;
    this.changes += 1;
    this.#leave(number, entry.identity);
    this.#changed.add(number);
  }

  #begin(number: number, { cgroupPath }: Identity): void {
    const there = this.#living.get(cgroupPath);
    if (there === undefined) this.#living.set(cgroupPath, new Set([number]));
    else there.add(number);
  }

  #leave(number: number, { cgroupPath }: Identity): void {
    const there = this.#living.get(cgroupPath);
    if (there?.delete(number) && there.size === 0) this.#living.delete(cgroupPath);
  }

  #update(number: number, identity: Identity, cgroupId: number, nowNs: bigint): void {
    const entry = this.#entries[number] as Entry;
    if (entry.validToNs !== undefined) {
      // A unit that was stopped and started again: another interval of the same endpoint.
      if (this.#changed.has(number)) this.#past.push(rowOf(entry));
      entry.validFromNs = nowNs;
      entry.validToNs = undefined;
      this.changes += 1;
      this.#begin(number, entry.identity);
      this.#changed.add(number);
    }
    this.#describe(number, entry, identity, nowNs);
    // A pod has several, of which the first is told.
    const keepsFirst = entry.identity.kind === 'pod' && entry.cgroupId !== 0;
    if (cgroupId === 0 || entry.cgroupId === cgroupId || keepsFirst) return;
    entry.cgroupId = cgroupId;
    this.#changed.add(number);
  }

  #describe(number: number, entry: Entry, identity: Identity, nowNs: bigint): void {
    const before = entry.identity;
    const named = before.name === identity.name && before.workload === identity.workload;
    // What is forgotten is not unsaid.
    if (identity.name === '' && before.name !== '') return;
    const placed = before.cgroupPath === identity.cgroupPath && before.zone === identity.zone;
    if (named && placed && before.pod === identity.pod) return;
    if (!named) this.renamed += 1;
    const lasts = entry.validToNs === undefined && nowNs > entry.validFromNs && this.#past.length < MOST_PAST;
    if (lasts && isSomethingElse(before, identity)) {
      // Rows of before keep what they were filtered by then.
      this.#past.push({ ...rowOf(entry), validToNs: nowNs });
      entry.validFromNs = nowNs;
    }
    if (entry.validToNs === undefined) {
      this.#leave(number, before);
      this.#begin(number, identity);
    }
    entry.identity = identity;
    this.changes += 1;
    this.#changed.add(number);
  }

  #writeId(number: number, id: bigint): void {
    if (number >= this.idLow.length) {
      this.idLow = grown(this.idLow);
      this.idHigh = grown(this.idHigh);
      const used = new Uint8Array(this.idLow.length);
      used.set(this.#used);
      this.#used = used;
    }
    this.idLow[number] = Number(id & 0xffffffffn);
    this.idHigh[number] = Number(id >> 32n);
  }
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function rowOf({ identity, cgroupId, addresses, validFromNs, validToNs }: Entry): EndpointRow {
  return { identity, cgroupId, addresses: [...addresses], validFromNs, validToNs };
}
