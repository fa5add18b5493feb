/** The kernel's HTTP parser, run on bytes of the test's choice. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { arch } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { type BpfObject, openObject, openRing, possibleCpus, type Ring } from '../../../collector/native/addon.ts';
import type { Exchange } from './exchange.ts';
import { readRequest, recordsOf } from './record.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const OBJECT = `${ROOT}build/test/http-parser.bpf.o`;
const ETHERNET_BYTES = 14;
const TOLD_BYTES = 32;
const SEGMENT = 0;
const BEGIN = 1;
const CLOSE = 2;

/** Payload that the kernel takes in one test run. */
export const SEGMENT_MAX = 3000;

export type Direction = 'request' | 'response';

export interface Told {
  readonly direction: Direction;
  readonly sequence: number;
  /** rcv_nxt; only for received segments. */
  readonly accepted?: number;
  readonly ingress?: boolean;
  /** Sequence number up to which responses are safe. Default: all. */
  readonly confirmed?: number;
  /** CLOCK_BOOTTIME nanoseconds. */
  readonly now?: bigint;
}

function compile(): void {
  const machine = arch() === 'arm64' ? ['arm64', 'aarch64'] : ['x86', 'x86_64'];
  mkdirSync(`${ROOT}build/test`, { recursive: true });
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-Werror', `-D__TARGET_ARCH_${machine[0]}`];
  const include = [`-I${ROOT}bpf`, '-idirafter', `/usr/include/${machine[1]}-linux-gnu`];
  const source = fileURLToPath(new URL('parser.bpf.c', import.meta.url));
  execFileSync(process.env.CLANG ?? 'clang-19', [
    ...flags,
    ...include,
    '-DFLOWSPAN_LAYOUT_HASH="0123456789abcdef"',
    '-c',
    source,
    '-o',
    OBJECT,
  ]);
}

/** One connection at a time. */
export class Parser {
  readonly #object: BpfObject;
  readonly #ring: Ring;
  readonly #buffer = Buffer.alloc(1024 ** 2);

  constructor() {
    compile();
    this.#object = openObject(OBJECT);
    this.#object.setMaxEntries('request_records', 4 * 1024 ** 2);
    this.#object.setMaxEntries('records', 4096);
    this.#object.load();
    this.#ring = openRing(this.#object, 'request_records');
  }

  #tell(action: number, told: Told, payload: Uint8Array = Buffer.alloc(0), repeat = 1) {
    const packet = Buffer.alloc(ETHERNET_BYTES + TOLD_BYTES + payload.length);
    packet.writeBigUInt64LE(told.now ?? 1n, ETHERNET_BYTES);
    packet.writeUInt32LE(action, ETHERNET_BYTES + 8);
    packet.writeUInt32LE(told.direction === 'request' ? 0 : 1, ETHERNET_BYTES + 12);
    packet.writeUInt32LE(told.ingress === true ? 1 : 0, ETHERNET_BYTES + 16);
    packet.writeUInt32LE(told.sequence >>> 0, ETHERNET_BYTES + 20);
    packet.writeUInt32LE((told.accepted ?? 0) >>> 0, ETHERNET_BYTES + 24);
    packet.writeUInt32LE((told.confirmed ?? told.sequence + payload.length + 2 ** 30) >>> 0, ETHERNET_BYTES + 28);
    packet.set(payload, ETHERNET_BYTES + TOLD_BYTES);
    return this.#object.testRun('tell_segment', { data: packet, repeat });
  }

  /** Forgets the connection and begins another one. */
  begin(requestSequence: number, responseSequence: number): void {
    this.#tell(BEGIN, { direction: 'request', sequence: requestSequence, accepted: responseSequence });
  }

  /** @returns the application_protocol that it turned out to be, or 'empty' while it may be HTTP/1 */
  segment(told: Told, payload: Uint8Array): string {
    const { retval } = this.#tell(SEGMENT, told, payload);
    return Object.entries(ENUMS.application_protocol).find(([, value]) => value === retval)?.[0] ?? '?';
  }

  /** @param confirmed sequence number up to which responses are safe; default all */
  close(now = 1n, confirmed?: number): void {
    this.#tell(CLOSE, { direction: 'request', sequence: 0, now, ...(confirmed === undefined ? {} : { confirmed }) });
  }

  /** Rows written since the last call. */
  rows(): Exchange[] {
    return recordsOf(this.#buffer.subarray(0, this.#ring.drain(this.#buffer))).map(readRequest);
  }

  /** Sum over CPUs. */
  discarded(reason: keyof typeof ENUMS.discard_reason): number {
    const key = Buffer.alloc(4);
    key.writeUInt32LE(ENUMS.discard_reason[reason]);
    const values = this.#object.map('discard_counters').lookup(key) ?? Buffer.alloc(8 * possibleCpus);
    return Array.from({ length: possibleCpus }, (_, cpu) => Number(values.readBigUInt64LE(cpu * 8))).reduce(
      (a, b) => a + b,
    );
  }

  /** Entries of http_pipelined and http_pieces: what a closed connection must not leave behind. */
  leftovers(): number {
    return this.#object.map('http_pipelined').entries().count + this.#object.map('http_pieces').entries().count;
  }

  dispose(): void {
    this.#ring.close();
    this.#object.close();
  }
}
