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
    const loopback = this.isLoopback(record + F.source_address) || this.isLoopback(record + F.destination_address);
    const netns = loopback ? this.#view.getUint32(record + F.netns, true) : 0;
    const ports = this.#view.getUint32(record + F.source_port, true);
    this.#make(1, record + F.source_address, 32, ports, this.#bytes[record + F.protocol] as number, netns);
  }

  /** Of a TCP connection by where its two streams begin, the same at both ends; false if the record does not tell. */
  ofSequences(record: number): boolean {
    this.low = this.#view.getUint32(record + F.source_sequence_begin, true);
    this.high = this.#view.getUint32(record + F.destination_sequence_begin, true);
    return this.low !== 0 || this.high !== 0;
  }

  /** Of where a server is reached: protocol, address and port. @param netns 0 where namespaces are not told apart */
  ofService(protocol: number, address: number, port: number, netns: number): void {
    this.#make(2, address, 16, port, protocol, netns);
  }

  /** Of an address by itself. */
  ofAddress(address: number): void {
    this.#make(3, address, 16, 0, 0, 0);
  }

  /** Of an address together with some number. */
  ofAddressAnd(address: number, number: number): void {
    this.#make(4, address, 16, number, 0, 0);
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

  #make(seed: number, begin: number, length: number, a: number, b: number, c: number): void {
    const view = this.#view;
    let low = seed;
    let high = seed ^ 0x5bd1e995;
    const end = begin + length + 12;
    for (let at = begin; at < end; at += 4) {
      const beyond = at - begin - length;
      const word = beyond < 0 ? view.getUint32(at, true) : beyond === 0 ? a : beyond === 4 ? b : c;
      low = Math.imul(low ^ word, 0x9e3779b1);
      low ^= low >>> 15;
      high = Math.imul(high + word, 0x85ebca77);
      high = ((high ^ (high >>> 13)) + low) | 0;
    }
    this.low = Math.imul(low ^ (low >>> 16), 0xc2b2ae3d) >>> 0;
    this.high = Math.imul(high ^ (high >>> 15), 0x27d4eb2f) >>> 0;
  }
}
