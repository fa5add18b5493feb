/**
 * What a client dialled that is not its server's own address: the service it belongs to, and the backend that it was
 * translated to; and who the client is whose address was translated on the way. Found out when the connection is first
 * seen and kept with it. The backend is where the server's own socket is if that is observed here, else what connection
 * tracking has. Of a client that was brought to its backend when it connected, the record itself tells both.
 */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { BalancedServices, IdentitySource, ServiceName } from '../control/identity.ts';
import type { Addresses } from './addresses.ts';
import { Backends, NO_BACKEND } from './backends.ts';
import { Brought } from './brought.ts';
import type { Changes } from './changes.ts';
import { NOWHERE } from './connections.ts';
import type { Facts } from './facts.ts';
import { Fingerprint } from './fingerprint.ts';
import type { Moment } from './moment.ts';
import type { ServiceNames } from './service_names.ts';
import { Translation, type TranslationOptions, UNASKED, UNTRANSLATED } from './translation.ts';

export interface DialledOptions extends TranslationOptions {
  readonly sources: readonly IdentitySource[];
  /** Default: none. */
  readonly balanced?: BalancedServices | undefined;
}

/** Kept for a connection whose address is no service's. */
const NO_SERVICE = 0xffffffff;
/** Numbers of a connection that `keep` keeps. */
export const DIALLED_NUMBERS = 11;
/** How long that holds, seconds: news of a service may come after its first connection. And any answer, without TCP. */
const HOLDS_S = 10;
const TCP = 6;

/** Resolves one record at a time; the result stands here until the next. */
export class Dialled {
  readonly names: ServiceNames;
  readonly #options: DialledOptions;
  readonly #sources: readonly IdentitySource[];
  readonly #addresses: Addresses;
  readonly #facts: Facts;
  readonly #moment: Moment;
  readonly #changes: Changes;
  readonly #fingerprint: Fingerprint;
  /** By place and socket, what connection tracking said: of a client's the backend, of a server's its client. */
  readonly #tracked: Backends;
  /** By sequence numbers: where observed servers have their sockets. */
  readonly #servers: Backends;
  readonly #translation: Translation;
  readonly #brought: Brought;
  /** Whether what the connection learned from last dialled is still to be asked, with its next record. */
  isPending = false;
  /** Number of the service in `names`, 0 if none. */
  service = 0;
  /** Port of the backend, 0 if the address was not translated or that is not known; then the address is zero, too. */
  backendPort = 0;
  /** Offset of the backend's address. */
  readonly backendAddress: number;
  /** Port of the client itself where the server sees another, else 0; then its address is zero, too. */
  clientPort = 0;
  /** Offset of the client's address. */
  readonly clientAddress: number;

  constructor(
    options: DialledOptions,
    names: ServiceNames,
    parts: { readonly addresses: Addresses; readonly facts: Facts; readonly moment: Moment; readonly changes: Changes },
  ) {
    const { addresses, facts, moment, changes } = parts;
    const { arena, sources } = options;
    this.#options = options;
    this.names = names;
    this.#sources = sources.filter((source) => source.dialled !== undefined);
    this.#addresses = addresses;
    this.#facts = facts;
    this.#moment = moment;
    this.#changes = changes;
    this.#fingerprint = new Fingerprint(arena);
    this.#tracked = new Backends(arena);
    this.#servers = new Backends(arena);
    this.#translation = new Translation(options);
    this.#brought = new Brought(arena, options.balanced);
    this.backendAddress = arena.take(16);
    this.clientAddress = arena.take(16);
  }

  /** Before each look. */
  begin(): void {
    this.#translation.begin();
  }

  /**
   * A client was observed.
   * @param place of its connection
   * @returns number of the service dialled, 0 if none
   */
  learnClient(record: number, place: number): number {
    if (this.#brought.is(record)) return this.#learnBrought(record, place);
    if (this.#sources.length === 0) return 0;
    const facts = this.#facts;
    const now = this.#moment.s;
    const isTcp = this.#options.arena.bytes[record + F.protocol] === TCP;
    let service = facts.service(place);
    if (service === 0 || ((service === NO_SERVICE || !isTcp) && now - facts.askedS(place) >= HOLDS_S)) {
      const { bytes, view } = this.#options.arena;
      const port = view.getUint16(record + F.destination_port, true);
      service = this.#ask(bytes[record + F.protocol] as number, record + F.destination_address, port) || NO_SERVICE;
      facts.setService(place, service, now);
    }
    if (service === NO_SERVICE) return 0;
    const socket = facts.socket(place);
    if (!this.#tracked.has(place, socket, now, isTcp ? Number.POSITIVE_INFINITY : HOLDS_S))
      this.#note(place, this.#translation.backend(record));
    return service;
  }

  #learnBrought(record: number, place: number): number {
    const facts = this.#facts;
    const now = this.#moment.s;
    let service = facts.isBalanced(place) ? facts.service(place) : 0;
    if (service === 0 || (service === NO_SERVICE && now - facts.askedS(place) >= HOLDS_S)) {
      const found = this.#brought.serviceOf(record);
      service = (found === undefined ? 0 : this.#numberOf(found)) || NO_SERVICE;
      facts.setService(place, service, now);
      facts.setBalanced(place);
    }
    return service === NO_SERVICE ? 0 : service;
  }

  /** Number of the service that the client at a connection's other end was brought to, 0 if none. */
  broughtTo(place: number): number {
    if (place === NOWHERE || !this.#facts.isBalanced(place)) return 0;
    const service = this.#facts.service(place);
    return service === NO_SERVICE ? 0 : service;
  }

  /**
   * A server was observed, at its own address.
   * @param isAlone whether its client is not observed here under the same addresses
   */
  learnServer(record: number, isFlow: boolean, place: number, isAlone: boolean): void {
    const { arena } = this.#options;
    // Flows come with every connection, other records much more often.
    if (isFlow && this.#fingerprint.ofSequences(record)) {
      const { low, high } = this.#fingerprint;
      const port = arena.view.getUint16(record + F.destination_port, true);
      if (this.#servers.note(low, high, record + F.destination_address, port, this.#moment.s)) this.#changes.count += 1;
    }
    if (!isAlone || !this.#translation.isThere) return;
    const isTcp = arena.bytes[record + F.protocol] === TCP;
    const isKnown = this.#facts.service(place) !== 0;
    if (isKnown && (isTcp || this.#moment.s - this.#facts.askedS(place) < HOLDS_S)) return;
    this.#trackClient(record, place);
  }

  /** What was told before is told again: numbers as they are here, from `at` on */
  recall(numbers: Uint32Array, at: number): void {
    this.service = numbers[at] as number;
    this.backendPort = this.#recallAddress(numbers, at + 1, this.backendPort, this.backendAddress);
    this.clientPort = this.#recallAddress(numbers, at + 6, this.clientPort, this.clientAddress);
  }

  /** Keeps what is told in DIALLED_NUMBERS numbers. */
  keep(numbers: Uint32Array, at: number): void {
    const { view } = this.#options.arena;
    numbers[at] = this.service;
    numbers[at + 1] = this.backendPort;
    numbers[at + 6] = this.clientPort;
    for (let word = 0; word < 4; word += 1) {
      numbers[at + 2 + word] = view.getUint32(this.backendAddress + 4 * word, true);
      numbers[at + 7 + word] = view.getUint32(this.clientAddress + 4 * word, true);
    }
  }

  /** @param before the port that stands with the address now: without one the address is zero already */
  #recallAddress(numbers: Uint32Array, at: number, before: number, address: number): number {
    const port = numbers[at] as number;
    if (port === 0 && before === 0) return 0;
    const { view } = this.#options.arena;
    for (let word = 0; word < 4; word += 1) view.setUint32(address + 4 * word, numbers[at + 1 + word] as number, true);
    return port;
  }

  /** The record tells nothing of services, or its server's own address is all that there is to know. */
  #none(): void {
    this.service = 0;
    this.#noClient();
    this.#noBackend();
  }

  #noClient(): void {
    if (this.clientPort === 0) return;
    this.clientPort = 0;
    this.#options.arena.bytes.fill(0, this.clientAddress, this.clientAddress + 16);
  }

  #noBackend(): void {
    if (this.backendPort === 0) return;
    this.backendPort = 0;
    this.#options.arena.bytes.fill(0, this.backendAddress, this.backendAddress + 16);
  }

  /**
   * What the record's client dialled.
   * @param place where the connection's facts are, or NOWHERE
   * @param isSeen whether its server's socket is observed here under another address
   */
  ofClient(record: number, place: number, isSeen: boolean): void {
    this.#none();
    const service = place === NOWHERE ? 0 : this.#facts.service(place);
    this.service = service === NO_SERVICE ? 0 : service;
    if (place === NOWHERE ? this.#brought.is(record) : this.#facts.isBalanced(place)) {
      this.#isBackend(record);
      return;
    }
    if (isSeen && this.#fingerprint.ofSequences(record)) {
      const { low, high } = this.#fingerprint;
      this.backendPort = this.#servers.read(low, high, this.backendAddress);
      if (this.#isAsDialled(record)) {
        this.#noBackend();
        return;
      }
    }
    if (this.backendPort === 0 && this.service !== 0)
      this.backendPort = this.#tracked.read(place, this.#facts.socket(place), this.backendAddress);
  }

  /**
   * What was dialled for the record's server to be reached.
   * @param place where the connection's facts are, or NOWHERE
   * @param service as the client's record told, 0 if none
   */
  ofServer(record: number, place: number, service: number): void {
    this.#none();
    this.service = service;
    if (place !== NOWHERE) {
      const own = this.#facts.service(place);
      if (service === 0 && own !== NO_SERVICE) this.service = own;
      // Only of those of which something was asked is there something to read.
      if (own !== 0) this.clientPort = this.#tracked.read(place, this.#facts.socket(place), this.clientAddress);
      if (this.#isSame(this.clientAddress, record + F.source_address)) this.#noClient();
    }
    if (this.service !== 0) this.#isBackend(record);
  }

  /** The record's destination is where what was dialled led to. */
  #isBackend(record: number): void {
    const { bytes, view } = this.#options.arena;
    const address = record + F.destination_address;
    bytes.copyWithin(this.backendAddress, address, address + 16);
    this.backendPort = view.getUint16(record + F.destination_port, true);
  }

  /** Whether the backend is at the very address that was dialled: then only its client's was translated. */
  #isAsDialled(record: number): boolean {
    const { view } = this.#options.arena;
    if (this.backendPort !== view.getUint16(record + F.destination_port, true)) return false;
    return this.#isSame(this.backendAddress, record + F.destination_address);
  }

  /** Whether two addresses are the same. @param one offset of the one */
  #isSame(one: number, other: number): boolean {
    const { view } = this.#options.arena;
    for (let at = 0; at < 16; at += 4) {
      if (view.getUint32(one + at, true) !== view.getUint32(other + at, true)) return false;
    }
    return true;
  }

  #ask(protocol: number, address: number, port: number): number {
    const { arena } = this.#options;
    // Within its namespace: whose loopback that is, no source knows.
    if (this.#fingerprint.isLoopback(address)) return 0;
    const isHere = this.#addresses.isNode(address);
    const bytes = arena.bytes.subarray(address, address + 16);
    for (const source of this.#sources) {
      const found = source.dialled?.(protocol, bytes, port, isHere);
      if (found !== undefined) return this.#numberOf(found);
    }
    return 0;
  }

  #numberOf(name: ServiceName): number {
    const number = this.names.number(name);
    if (number === 0) this.#options.counters.discard('service_table_full');
    return number;
  }

  /** Asks who the client is that comes from an address of this machine, as it does if its own was translated here. */
  #trackClient(record: number, place: number): void {
    const { bytes } = this.#options.arena;
    const client = record + F.source_address;
    let service = 0;
    if (!this.#fingerprint.isLoopback(client) && this.#addresses.isNode(client)) {
      const port = this.#translation.client(record);
      this.#note(place, port);
      if (port === UNASKED) return;
      const { dialledAddress, dialledPort } = this.#translation;
      if (port !== UNTRANSLATED) service = this.#ask(bytes[record + F.protocol] as number, dialledAddress, dialledPort);
    }
    this.#facts.setService(place, service || NO_SERVICE, this.#moment.s);
  }

  /** Keeps what connection tracking said. */
  #note(place: number, port: number): void {
    this.isPending = port === UNASKED && this.#translation.isThere;
    if (port === UNASKED) return;
    const kept = port === UNTRANSLATED ? NO_BACKEND : port;
    const socket = this.#facts.socket(place);
    if (this.#tracked.note(place, socket, this.#translation.address, kept, this.#moment.s)) this.#facts.changed(place);
  }
}
