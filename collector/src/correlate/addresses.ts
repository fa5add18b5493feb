/** Who has an address, where only one can: this machine, who lives alone in a namespace of it, or a source's answer. */
import type { Arena } from '../batch/arena.ts';
import type { Identity, IdentitySource } from '../control/identity.ts';
import type { Changes } from './changes.ts';
import type { Endpoints } from './endpoints.ts';
import { Fingerprint } from './fingerprint.ts';
import { FingerprintTable } from './fingerprint_table.ts';
import type { Moment } from './moment.ts';
import { Owners, SEVERAL } from './owners.ts';

export interface AddressesOptions {
  readonly arena: Arena;
  readonly endpoints: Endpoints;
  readonly sources: readonly IdentitySource[];
  /** The machine itself: who is reached at its own addresses where no socket is. */
  readonly node: () => Identity;
  /** Addresses of the machine itself, 16 bytes each. */
  readonly nodeAddresses: () => readonly Uint8Array[];
}

/** Addresses that are remembered. */
const ADDRESSES = 1 << 14;
/** How long an answer holds, seconds. */
const ANSWER_S = 60;

/** What is kept of an address beside endpoint numbers. */
const NOBODYS = 0;
const LOCAL = 0xffffffff;

/** Remembers answers whatever their time; sources whose addresses change hands are not asked here. */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #moment: Moment;
  readonly #fingerprint: Fingerprint;
  /** Per address: its endpoint's number, or that it belongs to a socket of this machine. */
  readonly #answers = new FingerprintTable(ADDRESSES, 1);
  /** Per address: who lives alone in its namespace. */
  readonly #residents: Owners;
  readonly #changes: Changes;
  /** Offset of an address that did not come with a record. */
  readonly #scratch: number;
  #node = 0;
  /** Addresses that were new as this machine's, so far. */
  discovered = 0;

  constructor(options: AddressesOptions, moment: Moment, changes: Changes) {
    this.#options = options;
    this.#moment = moment;
    this.#changes = changes;
    this.#residents = new Owners(ADDRESSES, changes);
    this.#fingerprint = new Fingerprint(options.arena);
    this.#scratch = options.arena.take(16);
  }

  /** Asks the sources again from now on. */
  forget(): void {
    this.#answers.clear();
    this.#node = 0;
  }

  /** The address of an observed socket belongs to this machine, in whatever namespace. */
  noteLocal(address: number): void {
    this.#fingerprint.ofAddress(address);
    const place = this.#answers.claim(this.#fingerprint.low, this.#fingerprint.high, this.#moment.s);
    const { values } = this.#answers;
    if (values[place] === LOCAL || (values[place] !== NOBODYS && values[place] === this.#node)) return;
    this.discovered += 1;
    this.#changes.count += 1;
    values[place] = this.isNode(address) ? this.#nodeNumber() : LOCAL;
  }

  /**
   * An address was found to belong to some namespace of this machine.
   * @param number of the only endpoint that lives in it, 0 if there are several or none
   */
  noteResident(address: Uint8Array, number: number): void {
    this.#options.arena.bytes.set(address, this.#scratch);
    this.noteLocal(this.#scratch);
    const { low, high } = this.#fingerprint;
    this.#residents.note(low, high, number === 0 ? SEVERAL : number, this.#moment.s);
  }

  /** Number of whoever has an address, 0 if nobody is known. */
  of(address: number): number {
    this.#fingerprint.ofAddress(address);
    const { low, high } = this.#fingerprint;
    const found = this.#answers.find(low, high);
    const { values } = this.#answers;
    if (found !== -1 && this.#moment.s - this.#answers.written(found) <= ANSWER_S) {
      const number = values[found] as number;
      if (number !== LOCAL) return number;
      const resident = this.#residents.of(low, high, this.#moment.s);
      return this.#options.endpoints.hasEnded(resident) ? 0 : resident;
    }
    const place = this.#answers.claim(low, high, this.#moment.s);
    values[place] = this.#lookUp(address);
    return values[place] as number;
  }

  /** Whether an address is the machine's own, in its first namespace. */
  isNode(address: number): boolean {
    if (this.#fingerprint.isLoopback(address)) return true;
    const bytes = this.#options.arena.bytes.subarray(address, address + 16);
    return this.#options.nodeAddresses().some((one) => bytes.equals(one));
  }

  #lookUp(address: number): number {
    if (this.isNode(address)) return this.#nodeNumber();
    const { arena, endpoints, sources } = this.#options;
    const bytes = arena.bytes.subarray(address, address + 16);
    for (const source of sources) {
      const identity = source.dated ? undefined : source.ofAddress(bytes, this.#moment.s * 1000);
      if (typeof identity === 'object') return endpoints.number(identity, 0, this.#moment.ns);
    }
    return NOBODYS;
  }

  #nodeNumber(): number {
    if (this.#node === 0) this.#node = this.#options.endpoints.number(this.#options.node(), 0, this.#moment.ns);
    return this.#node;
  }
}
