/** The lookups of the kernel's program, over the same tables: what policy.bpf.c does, it does. */
import { ANY_PEER, type PolicyTables } from './compile.ts';
import type { Decision } from './judge.ts';
import type { Direction } from './model.ts';
import { type Address, cut, keyOfPrefix } from './prefix.ts';

export interface Lookup {
  /** UID of the pod at which it is judged. */
  readonly subject: string;
  readonly direction: Direction;
  /** Of the other end. */
  readonly address: Address;
  readonly protocol: number;
  /** Of the destination; 0 for a protocol that has none. */
  readonly port: number;
}

const PORT_BITS = 16;
const portKey = (table: number, protocol: number | undefined, port: number, length: number) =>
  `${table} ${protocol} ${port}/${length}`;

/** Tables that can be looked up. */
export class PolicyLookup {
  readonly #tables: PolicyTables;
  readonly #peers: ReadonlyMap<string, number>;
  readonly #pairs: ReadonlyMap<string, number>;
  readonly #ports: ReadonlyMap<string, number>;

  constructor(tables: PolicyTables) {
    this.#tables = tables;
    this.#peers = new Map(tables.addresses.map(({ prefix, peer }) => [keyOfPrefix(prefix), peer]));
    this.#pairs = new Map(tables.pairs.map(({ subject, peer, table }) => [`${subject} ${peer}`, table]));
    this.#ports = new Map(
      tables.ports.map(({ table, protocol, port, length, value }) => [portKey(table, protocol, port, length), value]),
    );
  }

  /** @returns undefined if the pod is not judged here, or no policy is about this direction */
  decision({ subject, direction, address, protocol, port }: Lookup): Decision | undefined {
    const number = this.#tables.subjects.get(subject)?.[direction] ?? 0;
    if (number === 0) return undefined;
    const peer = this.#peerOf(address);
    const table = this.#pairs.get(`${number} ${peer}`) ?? this.#pairs.get(`${number} ${ANY_PEER}`);
    return table === undefined ? undefined : this.#tables.decisions[this.#valueOf(table, protocol, port)];
  }

  #peerOf(address: Address): number {
    for (let length = address.family === 4 ? 32 : 128; length >= 0; length -= 1) {
      const peer = this.#peers.get(keyOfPrefix(cut(address, length)));
      if (peer !== undefined) return peer;
    }
    return ANY_PEER;
  }

  #valueOf(table: number, protocol: number, port: number): number {
    for (let length = PORT_BITS; length >= 0; length -= 1) {
      const rest = 2 ** (PORT_BITS - length);
      const value = this.#ports.get(portKey(table, protocol, Math.floor(port / rest) * rest, length));
      if (value !== undefined) return value;
    }
    return this.#ports.get(portKey(table, undefined, 0, 0)) ?? -1;
  }
}
