/**
 * Who the two ends of a record are. The observed end is known by its cgroup and process. The other end is known if its
 * own socket was observed on this machine too; else by where servers are reached, else by address. Two passes: what is
 * learned from one look at the rings serves the records of the look before, so that both ends have a chance to be seen.
 * Wrong is worse than unknown: what contradicts itself stays unknown.
 */
import { ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import type { Identity, IdentitySource } from '../control/identity.ts';
import { addressText } from './address_text.ts';
import { Connections, NOT_KNOWN, NOT_SEEN } from './connections.ts';
import { DatedAddresses, NOT_DATED } from './dated_addresses.ts';
import type { Endpoints } from './endpoints.ts';
import { Fingerprint } from './fingerprint.ts';
import { FingerprintTable } from './fingerprint_table.ts';
import type { LocalEnd } from './local_end.ts';
import { Owners, SEVERAL } from './owners.ts';

export interface EndsOptions {
  readonly arena: Arena;
  readonly localEnd: LocalEnd;
  readonly endpoints: Endpoints;
  readonly sources: readonly IdentitySource[];
  /** The machine itself: who is reached at its own addresses where no socket is. */
  readonly node: () => Identity;
  /** Addresses of the machine itself, 16 bytes each. */
  readonly nodeAddresses: () => readonly Uint8Array[];
  /** Wall-clock time of the record that is resolved, milliseconds since the epoch. */
  readonly recordMs: () => number;
}

const CLIENT = ENUMS.observation_point.client;
const SERVER = ENUMS.observation_point.server;
const CLOSED = ENUMS.flow_state.closed;

/** Services and addresses that are remembered. */
const SERVICES = 1 << 14;
const ADDRESSES = 1 << 14;
/** How long an answer about an address holds, seconds. */
const ADDRESS_S = 60;

const known = (end: number) => (end === NOT_KNOWN ? 0 : end);

/** What is kept of an address. */
const UNKNOWN_ADDRESS = 0;
const LOCAL_ADDRESS = 0xffffffff;

/** Resolves one record at a time; the result stands in `source` and `destination` until the next. */
export class Ends {
  readonly #options: EndsOptions;
  readonly #fingerprint: Fingerprint;
  readonly #connections = new Connections();
  /** The same by sequence numbers: where addresses are translated, the ends have nothing else in common. */
  readonly #translated = new Connections();
  readonly #services = new Owners(SERVICES);
  /** Per address: its endpoint's number, or that it belongs to a socket of this machine. */
  readonly #addresses = new FingerprintTable(ADDRESSES, 1);
  /** Per address: who lives alone in its namespace. */
  readonly #residents = new Owners(ADDRESSES);
  readonly #told = new FingerprintTable(ADDRESSES, 0);
  readonly #dated: DatedAddresses;
  /** Offset of the address that stands for all addresses. */
  readonly #anyAddress: number;
  /** Offset of an address that did not come with a record. */
  readonly #scratch: number;
  #nowS = 1;
  #nowNs = 0n;
  #node = 0;
  /** Endpoint numbers of the initiator and the responder, 0 if not known. */
  source = 0;
  destination = 0;
  /** 1 if the end that the record does not speak for is observed as well, here or on another node, else 0. */
  peerObserved = 0;
  /** Servers whose owner could not be told and addresses that are new here, so far: reasons to look through /proc. */
  missed = 0;

  constructor(options: EndsOptions) {
    this.#options = options;
    this.#fingerprint = new Fingerprint(options.arena);
    this.#dated = new DatedAddresses(options);
    this.#anyAddress = options.arena.keep(new Uint8Array(16));
    this.#scratch = options.arena.take(16);
  }

  /** Before each look: what time it is. */
  begin(nowMs: number, nowNs: bigint): void {
    this.#nowS = Math.floor(nowMs / 1000) >>> 0;
    this.#nowNs = nowNs;
    this.#options.localEnd.begin(nowMs, nowNs);
  }

  /** Asks the sources again from now on. */
  forget(): void {
    this.#addresses.clear();
    this.#node = 0;
    this.#options.localEnd.forget();
  }

  /** First pass: what a record tells about its observed end. */
  learn(record: number, isFlow: boolean): void {
    const { bytes, view } = this.#options.arena;
    const point = bytes[record + F.observation_point];
    if (point !== CLIENT && point !== SERVER) return;
    const local = this.#local(record, point, isFlow);
    if (isFlow) this.#noteAddress(record + (point === CLIENT ? F.source_address : F.destination_address));
    this.#fingerprint.ofConnection(record);
    const closed = isFlow && bytes[record + F.flow_state] === CLOSED;
    const netns = view.getUint32(record + F.netns, true);
    this.#connections.note(this.#fingerprint.low, this.#fingerprint.high, point, local, netns, closed, this.#nowS);
    if (isFlow && this.#fingerprint.ofSequences(record))
      this.#translated.note(this.#fingerprint.low, this.#fingerprint.high, point, local, netns, closed, this.#nowS);
    if (point === SERVER && local !== 0) this.#noteService(record, local);
  }

  /** Second pass: both ends. */
  resolve(record: number, isFlow: boolean): void {
    const { bytes } = this.#options.arena;
    const point = bytes[record + F.observation_point];
    this.#fingerprint.ofConnection(record);
    const { low, high } = this.#fingerprint;
    const client = this.#end(low, high, record, CLIENT);
    const server = this.#end(low, high, record, SERVER);
    this.peerObserved = 0;
    if (point === CLIENT) {
      this.peerObserved = server === NOT_SEEN ? 0 : 1;
      this.source = this.#local(record, point, isFlow) || known(client);
      this.destination = this.#other(server, record, record + F.destination_address, F.destination_port);
    } else if (point === SERVER) {
      this.peerObserved = client === NOT_SEEN ? 0 : 1;
      this.source = this.#other(client, record, record + F.source_address, 0);
      this.destination = this.#local(record, point, isFlow) || known(server);
    } else {
      this.source = this.#other(client, record, record + F.source_address, 0);
      this.destination = this.#other(server, record, record + F.destination_address, F.destination_port);
    }
    const peer = point === CLIENT ? this.destination : point === SERVER ? this.source : 0;
    if (this.peerObserved === 0 && this.#isOnAnotherNode(peer)) this.peerObserved = 1;
  }

  /** Every node of a cluster has its collector: what lives on another node is observed there. */
  #isOnAnotherNode(number: number): boolean {
    const identity = this.#options.endpoints.identity(number);
    return identity !== undefined && !identity.here && identity.kind !== 'outside';
  }

  /** What is known of one end of the record's connection: an endpoint's number, NOT_SEEN or NOT_KNOWN. */
  #end(low: number, high: number, record: number, point: number): number {
    const end = this.#connections.end(low, high, point);
    if (end !== NOT_SEEN || !this.#fingerprint.ofSequences(record)) return end;
    return this.#translated.end(this.#fingerprint.low, this.#fingerprint.high, point);
  }

  /** A number that stands for the responder of the record resolved last, also where its endpoint is not known. */
  destinationKey(record: number): number {
    if (this.destination !== 0) return this.destination;
    const port = this.#options.arena.view.getUint16(record + F.destination_port, true);
    this.#fingerprint.ofService(this.#protocol(record), record + F.destination_address, port, 0);
    return -1 - (this.#fingerprint.low & 0x3fffffff);
  }

  /** Where a server was found to listen. @param address 16 bytes, zeros for all addresses */
  noteListener(protocol: number, address: Uint8Array, port: number, netns: number, number: number): void {
    this.#options.arena.bytes.set(address, this.#scratch);
    this.#fingerprint.ofService(protocol, this.#scratch, port, netns);
    this.#noteServiceAt(number);
  }

  /**
   * An address was found to belong to some namespace of this machine.
   * @param number of the only endpoint that lives in it, 0 if there are several or none
   */
  noteLocalAddress(address: Uint8Array, number: number): void {
    this.#options.arena.bytes.set(address, this.#scratch);
    this.#noteAddress(this.#scratch);
    const { low, high } = this.#addressFingerprint(this.#scratch);
    this.#residents.note(low, high, number === 0 ? SEVERAL : number, this.#nowS);
  }

  #protocol(record: number): number {
    return this.#options.arena.bytes[record + F.protocol] as number;
  }

  #local(record: number, point: number, isFlow: boolean): number {
    const number = this.#options.localEnd.of(record, isFlow);
    if (number !== 0 || point !== SERVER) return number;
    const { view } = this.#options.arena;
    const port = view.getUint16(record + F.destination_port, true);
    const netns = view.getUint32(record + F.netns, true);
    this.#fingerprint.ofService(this.#protocol(record), record + F.destination_address, port, netns);
    const service = this.#service() || this.#anyAddressService(record, port, netns);
    if (service === 0) this.missed += 1;
    return service;
  }

  #anyAddressService(record: number, port: number, netns: number): number {
    this.#fingerprint.ofService(this.#protocol(record), this.#anyAddress, port, netns);
    return this.#service();
  }

  /** Number of the service whose fingerprint was just made. */
  #service(): number {
    return this.#services.of(this.#fingerprint.low, this.#fingerprint.high, this.#nowS);
  }

  #noteService(record: number, number: number): void {
    const { view } = this.#options.arena;
    const address = record + F.destination_address;
    const port = view.getUint16(record + F.destination_port, true);
    this.#fingerprint.ofService(this.#protocol(record), address, port, view.getUint32(record + F.netns, true));
    this.#noteServiceAt(number);
    if (this.#fingerprint.isLoopback(address)) return;
    // Seen from other namespaces, the address alone must tell.
    this.#fingerprint.ofService(this.#protocol(record), address, port, 0);
    this.#noteServiceAt(number);
    this.#fingerprint.ofAddressAnd(address, number);
    if (this.#told.find(this.#fingerprint.low, this.#fingerprint.high) !== -1) return;
    this.#told.claim(this.#fingerprint.low, this.#fingerprint.high, this.#nowS);
    this.#options.endpoints.addAddress(number, addressText(this.#options.arena.bytes, address));
  }

  #noteServiceAt(number: number): void {
    this.#services.note(this.#fingerprint.low, this.#fingerprint.high, number, this.#nowS);
  }

  /** The address of an observed socket belongs to this machine, in whatever namespace. */
  #noteAddress(address: number): void {
    const { low, high } = this.#addressFingerprint(address);
    const place = this.#addresses.claim(low, high, this.#nowS);
    const values = this.#addresses.values[0] as Uint32Array;
    if (values[place] === LOCAL_ADDRESS || (values[place] !== UNKNOWN_ADDRESS && values[place] === this.#node)) return;
    this.missed += 1;
    values[place] = this.#isNode(address) ? this.#nodeNumber() : LOCAL_ADDRESS;
  }

  /**
   * The end that was not observed by this record. One that has a socket here is who that socket's owner is, or unknown.
   * @param port offset of the port in the record if the end is a server, else 0
   */
  #other(end: number, record: number, address: number, port: number): number {
    if (end !== NOT_SEEN) return known(end);
    const loopback = this.#fingerprint.isLoopback(address);
    const dated = loopback ? NOT_DATED : this.#dated.find(address, this.#nowNs);
    // Who had the address then is known better than who listened there last.
    if (dated !== NOT_DATED && !this.#dated.isNode) return dated;
    if (port !== 0) {
      const { view } = this.#options.arena;
      const netns = view.getUint32(record + F.netns, true);
      const number = view.getUint16(record + port, true);
      this.#fingerprint.ofService(this.#protocol(record), address, number, loopback ? netns : 0);
      const service = this.#service() || (loopback ? this.#anyAddressService(record, number, netns) : 0);
      if (service !== 0) return service;
    }
    return dated === NOT_DATED ? this.#ofAddress(address) : dated;
  }

  #ofAddress(address: number): number {
    const { low, high } = this.#addressFingerprint(address);
    const found = this.#addresses.find(low, high);
    const values = this.#addresses.values[0] as Uint32Array;
    if (found !== -1 && this.#nowS - this.#addresses.written(found) <= ADDRESS_S) {
      const number = values[found] as number;
      return number === LOCAL_ADDRESS ? this.#residents.of(low, high, this.#nowS) : number;
    }
    const place = this.#addresses.claim(low, high, this.#nowS);
    values[place] = this.#lookUpAddress(address);
    return values[place] as number;
  }

  #addressFingerprint(address: number): Fingerprint {
    this.#fingerprint.ofAddress(address);
    return this.#fingerprint;
  }

  #lookUpAddress(address: number): number {
    if (this.#isNode(address)) return this.#nodeNumber();
    const { arena, endpoints, sources } = this.#options;
    const bytes = arena.bytes.subarray(address, address + 16);
    for (const source of sources) {
      const identity = source.dated ? undefined : source.ofAddress(bytes, this.#nowS * 1000);
      if (typeof identity === 'object') return endpoints.number(identity, 0, this.#nowNs);
    }
    return UNKNOWN_ADDRESS;
  }

  #isNode(address: number): boolean {
    if (this.#fingerprint.isLoopback(address)) return true;
    const bytes = this.#options.arena.bytes.subarray(address, address + 16);
    return this.#options.nodeAddresses().some((one) => bytes.equals(one));
  }

  #nodeNumber(): number {
    if (this.#node === 0) this.#node = this.#options.endpoints.number(this.#options.node(), 0, this.#nowNs);
    return this.#node;
  }
}
