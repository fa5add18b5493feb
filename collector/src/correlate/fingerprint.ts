/** 64-bit fingerprints of addresses and connections, read straight from records. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';

/** Makes one fingerprint at a time; it stands in `low` and `high` until the next. */
export class Fingerprint {
  readonly #view: DataView;
  readonly #bytes: Buffer;
  low = 0;
  high = 0;

  constructor(arena: Arena) {
    this.#view = arena.view;
    this.#bytes = arena.bytes;
  }

  /** Of a connection: both ends and the protocol; within one network namespace where an end is a loopback address. */
  ofConnection(record: number): void {
    this.#begin(1);
    for (let at = F.source_address; at < F.source_address + 32; at += 4)
      this.#add(this.#view.getUint32(record + at, true));
    this.#add(this.#view.getUint32(record + F.source_port, true));
    this.#add(this.#bytes[record + F.protocol] as number);
    const loopback = this.isLoopback(record + F.source_address) || this.isLoopback(record + F.destination_address);
    this.#add(loopback ? this.#view.getUint32(record + F.netns, true) : 0);
    this.#end();
  }

  /** Of where a server is reached: protocol, address and port. @param netns 0 where namespaces are not told apart */
  ofService(protocol: number, address: number, port: number, netns: number): void {
    this.#begin(2);
    this.#addAddress(address);
    this.#add(port);
    this.#add(protocol);
    this.#add(netns);
    this.#end();
  }

  /** Of an address by itself. */
  ofAddress(address: number): void {
    this.#begin(3);
    this.#addAddress(address);
    this.#end();
  }

  /** Of an address together with some number. */
  ofAddressAnd(address: number, number: number): void {
    this.#begin(4);
    this.#addAddress(address);
    this.#add(number);
    this.#end();
  }

  /** Whether 16 bytes are a loopback address: 127.0.0.0/8 or ::1. */
  isLoopback(address: number): boolean {
    const view = this.#view;
    if (view.getUint32(address, true) !== 0 || view.getUint32(address + 4, true) !== 0) return false;
    const third = view.getUint32(address + 8, false);
    return third === 0xffff
      ? this.#bytes[address + 12] === 127
      : third === 0 && view.getUint32(address + 12, false) === 1;
  }

  #begin(seed: number): void {
    this.low = seed;
    this.high = seed ^ 0x5bd1e995;
  }

  #addAddress(address: number): void {
    for (let at = address; at < address + 16; at += 4) this.#add(this.#view.getUint32(at, true));
  }

  #add(word: number): void {
    let low = Math.imul(this.low ^ word, 0x9e3779b1);
    low ^= low >>> 15;
    let high = Math.imul(this.high + word, 0x85ebca77);
    high ^= high >>> 13;
    this.low = low;
    this.high = (high + low) | 0;
  }

  #end(): void {
    this.low = Math.imul(this.low ^ (this.low >>> 16), 0xc2b2ae3d) >>> 0;
    this.high = Math.imul(this.high ^ (this.high >>> 15), 0x27d4eb2f) >>> 0;
  }
}
