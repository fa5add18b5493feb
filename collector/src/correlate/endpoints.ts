/** Every endpoint seen: a small number for the data path, an id for rows, a row of its own with its validity. */
import type { Identity } from '../control/identity.ts';

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
}

/** Addresses that are told of one endpoint. */
const ADDRESSES = 16;

/** Number 0 stands for an end that is not known. */
export class Endpoints {
  readonly #most: number;
  readonly #numbers = new Map<bigint, number>();
  readonly #entries: Entry[] = [];
  readonly #changed = new Set<number>();
  readonly #known: ReadonlyMap<bigint, bigint>;
  /** Low and high half of each endpoint's id, by number. */
  idLow = new Uint32Array(256);
  idHigh = new Uint32Array(256);
  /** How often an endpoint that was known already got another name or workload. */
  renamed = 0;

  /**
   * @param most endpoints that are kept at most
   * @param known since when endpoints hold that an earlier run saw, by id; nanoseconds since the epoch
   */
  constructor(most: number, known: ReadonlyMap<bigint, bigint> = new Map()) {
    this.#most = most;
    this.#known = known;
  }

  get count(): number {
    return this.#entries.length;
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
      if (lives) this.#update(known, identity, cgroupId, nowNs);
      return known;
    }
    if (this.#entries.length >= this.#most) return 0;
    const validFromNs = this.#known.get(identity.id) ?? nowNs;
    const validToNs = lives ? undefined : identity.validToNs;
    this.#entries.push({ identity, cgroupId, addresses: new Set(), validFromNs, validToNs });
    const number = this.#entries.length;
    this.#numbers.set(identity.id, number);
    this.#writeId(number, identity.id);
    this.#changed.add(number);
    return number;
  }

  /** The number of an endpoint that has been seen; 0 for others. */
  numberOf(id: bigint): number {
    return this.#numbers.get(id) ?? 0;
  }

  /** Who an endpoint is, by its number; undefined for 0. */
  identity(number: number): Identity | undefined {
    return this.#entries[number - 1]?.identity;
  }

  /** Who an endpoint is, by its id; undefined if it has not been seen. */
  identityOf(id: bigint): Identity | undefined {
    return this.#entries[(this.#numbers.get(id) ?? 0) - 1]?.identity;
  }

  /** One more address at which an endpoint is reached. */
  addAddress(number: number, address: string): void {
    const entry = this.#entries[number - 1];
    if (entry === undefined || entry.addresses.size >= ADDRESSES || entry.addresses.has(address)) return;
    entry.addresses.add(address);
    this.#changed.add(number);
  }

  /** More, or something else, is known of an endpoint; one that has not been seen is left alone. */
  refresh(identity: Identity): void {
    const number = this.#numbers.get(identity.id);
    if (number !== undefined) this.#describe(number, this.#entries[number - 1] as Entry, identity);
  }

  /** An endpoint ended, as its source says; what was seen here before stands. */
  end(id: bigint, timeNs: bigint): void {
    const number = this.#numbers.get(id) ?? 0;
    const entry = this.#entries[number - 1];
    if (entry === undefined || entry.validToNs !== undefined) return;
    entry.validToNs = timeNs;
    this.#changed.add(number);
  }

  /** A cgroup ended, and with it the endpoints that lived there. */
  endCgroup(path: string, timeNs: bigint): void {
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.identity.cgroupPath !== path || entry.validToNs !== undefined) continue;
      entry.validToNs = timeNs;
      this.#changed.add(index + 1);
    }
  }

  /** What changed since it was last asked for. */
  takeChanged(): EndpointRow[] {
    const rows = [...this.#changed].map((number) => {
      const entry = this.#entries[number - 1] as Entry;
      return { ...entry, addresses: [...entry.addresses] };
    });
    this.#changed.clear();
    return rows;
  }

  /** Since when each endpoint that still holds does, by id: what the next run should know. */
  validity(): Map<bigint, bigint> {
    const open = this.#entries.filter((entry) => entry.validToNs === undefined);
    return new Map(open.map((entry) => [entry.identity.id, entry.validFromNs]));
  }

  #update(number: number, identity: Identity, cgroupId: number, nowNs: bigint): void {
    const entry = this.#entries[number - 1] as Entry;
    if (entry.validToNs !== undefined) {
      // A unit that was stopped and started again: another interval of the same endpoint.
      entry.validFromNs = nowNs;
      entry.validToNs = undefined;
      this.#changed.add(number);
    }
    this.#describe(number, entry, identity);
    // A pod has several, of which the first is told.
    const keepsFirst = entry.identity.kind === 'pod' && entry.cgroupId !== 0;
    if (cgroupId === 0 || entry.cgroupId === cgroupId || keepsFirst) return;
    entry.cgroupId = cgroupId;
    this.#changed.add(number);
  }

  #describe(number: number, entry: Entry, identity: Identity): void {
    const before = entry.identity;
    const named = before.name === identity.name && before.workload === identity.workload;
    // What is forgotten is not unsaid.
    if (identity.name === '' && before.name !== '') return;
    if (named && before.pod === identity.pod && before.cgroupPath === identity.cgroupPath) return;
    if (!named) this.renamed += 1;
    entry.identity = identity;
    this.#changed.add(number);
  }

  #writeId(number: number, id: bigint): void {
    if (number >= this.idLow.length) {
      this.idLow = grown(this.idLow);
      this.idHigh = grown(this.idHigh);
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
