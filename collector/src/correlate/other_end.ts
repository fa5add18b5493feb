/** The end of a connection that its record was not observed at and that has no socket here: told by its address. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import { IDENTITY_BASES as BASIS } from '../../../store/tables.ts';
import type { Addresses } from './addresses.ts';
import { NOT_KNOWN, NOT_SEEN, NOWHERE } from './connections.ts';
import { DatedAddresses, type DatedAddressesOptions, NOT_DATED } from './dated_addresses.ts';
import type { Facts } from './facts.ts';
import { Fingerprint } from './fingerprint.ts';
import type { Moment } from './moment.ts';
import type { Servers } from './servers.ts';

export interface OtherEndOptions extends DatedAddressesOptions {
  /** Wall-clock time of the record that is resolved, milliseconds since the epoch. */
  readonly recordMs: () => number;
}

const TCP = 6;
/** After this no news changes who the other end of a connection was when it began, milliseconds. */
const SETTLED_MS = 60_000;

/** Answers for one record at a time; how it was told stands in `basis` until the next. */
export class OtherEnd {
  readonly #options: OtherEndOptions;
  readonly #dated: DatedAddresses;
  readonly #servers: Servers;
  readonly #addresses: Addresses;
  readonly #facts: Facts;
  readonly #moment: Moment;
  readonly #fingerprint: Fingerprint;
  /** Whether the same holds for later records of the connection, as far as sources with news are concerned. */
  isSettled = true;
  /** One of IDENTITY_BASES. */
  basis: number = BASIS.none;

  constructor(
    options: OtherEndOptions,
    parts: { readonly servers: Servers; readonly addresses: Addresses; readonly facts: Facts; readonly moment: Moment },
  ) {
    this.#options = options;
    this.#dated = new DatedAddresses(options);
    this.#servers = parts.servers;
    this.#addresses = parts.addresses;
    this.#facts = parts.facts;
    this.#moment = parts.moment;
    this.#fingerprint = new Fingerprint(options.arena);
  }

  /**
   * Number of its endpoint, 0 if it is not known.
   * @param place of the record's connection where its facts are, or NOWHERE
   * @param address offset of its address: the record's, or its backend's
   * @param port its port if it is a server, else 0
   */
  of(record: number, place: number, address: number, port: number): number {
    this.isSettled = true;
    const number = this.#fingerprint.isLoopback(address)
      ? this.#within(record, address, port)
      : this.#at(record, place, address, port);
    if (number === 0) this.basis = BASIS.none;
    return number;
  }

  /** In the record's own namespace: who listens there is who was reached. */
  #within(record: number, address: number, port: number): number {
    const { bytes, view } = this.#options.arena;
    this.basis = BASIS.socket;
    const netns = view.getUint32(record + F.netns, true);
    const protocol = bytes[record + F.protocol] as number;
    const listener = port === 0 ? 0 : this.#servers.within(netns, protocol, address, port);
    if (listener !== 0) return listener;
    this.basis = BASIS.address;
    return this.#addresses.of(address);
  }

  #at(record: number, place: number, address: number, port: number): number {
    this.basis = BASIS.address;
    this.#dated.isNode = false;
    const dated = this.#whenItBegan(record, place, address);
    // Who had the address then is known better than who listened there last.
    if (dated !== NOT_DATED && !this.#dated.isNode) return dated;
    const protocol = this.#options.arena.bytes[record + F.protocol] as number;
    const listener = port === 0 ? 0 : this.#servers.outside(protocol, address, port);
    if (listener !== 0) return listener;
    return dated === NOT_DATED ? this.#addresses.of(address) : dated;
  }

  /**
   * A TCP connection stays with whoever had the address when it began, also if that one is gone and the address another's
   * by the time of the record. Until news of it has come for sure, sources are asked again.
   */
  #whenItBegan(record: number, place: number, address: number): number {
    const { arena, recordMs } = this.#options;
    if (!this.#dated.isThere) return this.#stamped(record);
    this.isSettled = false;
    const facts = this.#facts;
    const now = recordMs();
    const isTcp = arena.bytes[record + F.protocol] === TCP;
    if (place === NOWHERE) {
      const ageMs = isTcp ? (facts.ageMs(record) ?? 0) : 0;
      const found = this.#dated.find(address, now - ageMs, this.#moment.ns);
      return found === NOT_DATED ? this.#stamped(record) : found;
    }
    const asOf = isTcp ? facts.beganMs(place, record, now) : now;
    const before = facts.peer(place);
    const isKnown = before !== NOT_SEEN && before !== NOT_KNOWN;
    this.isSettled = isKnown && now - asOf > SETTLED_MS;
    if (this.isSettled) return before;
    const found = this.#dated.find(address, asOf, this.#moment.ns);
    if (found === NOT_DATED) return isKnown ? before : before === NOT_KNOWN ? 0 : this.#stamped(record);
    // Without connections nobody stays with who had the address before.
    const isKept = isTcp && found !== 0;
    facts.setPeer(place, this.#dated.isNode ? NOT_SEEN : isKept ? found : NOT_KNOWN);
    return found;
  }

  /** Whom the kernel found at the address when the connection began, where nobody is remembered to have had it. */
  #stamped(record: number): number {
    const { arena, endpoints } = this.#options;
    const low = arena.view.getUint32(record + F.peer_endpoint_id, true);
    const high = arena.view.getUint32(record + F.peer_endpoint_id + 4, true);
    if (low === 0 && high === 0) return NOT_DATED;
    return endpoints.numberOf((BigInt(high) << 32n) | BigInt(low)) || NOT_DATED;
  }
}
