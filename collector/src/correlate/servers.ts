/** Where servers are reached: protocol, address and port, and who answers there. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { addressText } from './address_text.ts';
import type { Changes } from './changes.ts';
import type { Endpoints } from './endpoints.ts';
import { Fingerprint } from './fingerprint.ts';
import { FingerprintTable } from './fingerprint_table.ts';
import type { Moment } from './moment.ts';
import { Owners } from './owners.ts';

/** Places that are remembered, and addresses that were told to be an endpoint's. */
const SERVERS = 1 << 14;
const TOLD = 1 << 14;
/** How often that is told again, seconds. */
const TOLD_S = 600;

/** Learned from observed servers and from what is found to listen. A place that several answer at is nobody's. */
export class Servers {
  readonly #arena: Arena;
  readonly #endpoints: Endpoints;
  readonly #moment: Moment;
  readonly #fingerprint: Fingerprint;
  readonly #owners: Owners;
  readonly #told = new FingerprintTable(TOLD, 0);
  /** Offset of the address that stands for all addresses. */
  readonly #anyAddress: number;
  /** Offset of an address that did not come with a record. */
  readonly #scratch: number;

  constructor(arena: Arena, endpoints: Endpoints, moment: Moment, changes: Changes) {
    this.#arena = arena;
    this.#endpoints = endpoints;
    this.#moment = moment;
    this.#owners = new Owners(SERVERS, changes);
    this.#fingerprint = new Fingerprint(arena);
    this.#anyAddress = arena.keep(new Uint8Array(16));
    this.#scratch = arena.take(16);
  }

  /** Who listens at an address in a network namespace, or there at all addresses; 0 if nobody or several. */
  within(netns: number, protocol: number, address: number, port: number): number {
    return this.#at(protocol, address, port, netns) || this.#at(protocol, this.#anyAddress, port, netns);
  }

  /** Who was reached at an address last, seen from other namespaces: the address alone tells. 0 if nobody or several. */
  outside(protocol: number, address: number, port: number): number {
    return this.#at(protocol, address, port, 0);
  }

  /** The record's server was observed. */
  note(record: number, number: number): void {
    const { bytes, view } = this.#arena;
    const address = record + F.destination_address;
    const protocol = bytes[record + F.protocol] as number;
    const port = view.getUint16(record + F.destination_port, true);
    this.#noteAt(protocol, address, port, view.getUint32(record + F.netns, true), number);
    if (this.#fingerprint.isLoopback(address)) return;
    this.#noteAt(protocol, address, port, 0, number);
    this.#fingerprint.ofAddressAnd(address, number);
    const told = this.#told.find(this.#fingerprint.low, this.#fingerprint.high);
    // The number may stand for another endpoint later.
    if (told !== -1 && this.#moment.s - this.#told.written(told) <= TOLD_S) return;
    this.#told.claim(this.#fingerprint.low, this.#fingerprint.high, this.#moment.s);
    this.#endpoints.addAddress(number, addressText(bytes, address));
  }

  /** Something was found to listen. @param address 16 bytes, zeros for all addresses */
  noteListener(protocol: number, address: Uint8Array, port: number, netns: number, number: number): void {
    this.#arena.bytes.set(address, this.#scratch);
    this.#noteAt(protocol, this.#scratch, port, netns, number);
  }

  #at(protocol: number, address: number, port: number, netns: number): number {
    this.#fingerprint.ofService(protocol, address, port, netns);
    const number = this.#owners.of(this.#fingerprint.low, this.#fingerprint.high, this.#moment.s);
    return this.#endpoints.hasEnded(number) ? 0 : number;
  }

  #noteAt(protocol: number, address: number, port: number, netns: number, number: number): void {
    this.#fingerprint.ofService(protocol, address, port, netns);
    this.#owners.note(this.#fingerprint.low, this.#fingerprint.high, number, this.#moment.s);
  }
}
