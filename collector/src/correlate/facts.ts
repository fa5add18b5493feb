/** What is found out once about a connection and kept with it: the service dialled, the other end's endpoint. */
import { ENUMS, TCP_EVENT_RECORD as EVENT, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { type Connections, NOWHERE, OWN } from './connections.ts';

/** Numbers that are kept per connection, behind those of `Connections`. */
export const FACTS = 6;
/** Cookie and generation of the socket that they are of, in one number. */
const SOCKET = OWN;
export const SERVICE = OWN + 1;
const ASKED_S = OWN + 2;
const PEER = OWN + 3;
const BALANCED = OWN + 5;
/** Milliseconds since the epoch, without what 32 bits do not hold: 50 days. */
const BEGAN = OWN + 4;
const WRAP_MS = 2 ** 32;

const UNKNOWN = ENUMS.observation_point.unknown;
const KIND = ENUMS.record_kind;

/**
 * Facts by a connection's place. They are of the socket that they were found out for: addresses and ports may be used
 * again by another connection before this one is forgotten.
 */
export class Facts {
  readonly #arena: Arena;
  readonly #connections: Connections;
  readonly #values: Uint32Array;
  readonly #width: number;

  /** @param connections with FACTS numbers for others */
  constructor(arena: Arena, connections: Connections) {
    this.#arena = arena;
    this.#connections = connections;
    this.#values = connections.values;
    this.#width = connections.width;
  }

  /** From now on, facts at this place are of a socket, as `socketOf` has it. */
  renew(place: number, socket: number): void {
    const at = place * this.#width;
    if (this.#values[at + SOCKET] === socket) return;
    for (let fact = 0; fact < FACTS; fact += 1) this.#values[at + OWN + fact] = 0;
    this.#values[at + SOCKET] = socket;
    this.#connections.changed(place);
  }

  /** What is kept elsewhere of a connection is not what it was. */
  changed(place: number): void {
    this.#connections.changed(place);
  }

  /** The place if its facts are of the record's socket, or the record, which has none, speaks of any; else NOWHERE. */
  of(place: number, record: number, socket: number): number {
    if (place === NOWHERE) return NOWHERE;
    const known = this.socket(place);
    const isAny = this.#arena.bytes[record + F.observation_point] === UNKNOWN && known !== 0;
    return isAny || known === socket ? place : NOWHERE;
  }

  /** A number that stands for the socket. */
  socket(place: number): number {
    return this.#values[place * this.#width + SOCKET] as number;
  }

  /** Number of the service whose address was dialled, as `Dialled` keeps it; 0 before anybody has asked. */
  service(place: number): number {
    return this.#values[place * this.#width + SERVICE] as number;
  }

  /** When that was asked, seconds since the epoch. */
  askedS(place: number): number {
    return this.#values[place * this.#width + ASKED_S] as number;
  }

  /** Whether its client was brought to a backend before it connected: what it is connected to is no service's address. */
  isBalanced(place: number): boolean {
    return this.#values[place * this.#width + BALANCED] === 1;
  }

  setBalanced(place: number): void {
    if (this.isBalanced(place)) return;
    this.#connections.changed(place);
    this.#values[place * this.#width + BALANCED] = 1;
  }

  setService(place: number, number: number, nowS: number): void {
    if (this.service(place) !== number) this.#connections.changed(place);
    this.#values[place * this.#width + SERVICE] = number;
    this.#values[place * this.#width + ASKED_S] = nowS;
  }

  /** Number of the end that is not observed here, by its address; NOT_KNOWN if told that nobody is sure, else NOT_SEEN. */
  peer(place: number): number {
    return this.#values[place * this.#width + PEER] as number;
  }

  setPeer(place: number, number: number): void {
    if (this.peer(place) === number) return;
    this.#connections.changed(place);
    this.#values[place * this.#width + PEER] = number;
  }

  /** How long before its record the connection began, milliseconds; undefined if the record does not tell. */
  ageMs(record: number): number | undefined {
    const { bytes, view } = this.#arena;
    const kind = bytes[record + F.record_kind];
    if (kind !== KIND.flow && kind !== KIND.tcp_event) return undefined;
    const at = record + (kind === KIND.flow ? F.connection_age_ns : EVENT.connection_age_ns);
    const ns = view.getUint32(at + 4, true) * 4_294_967_296 + view.getUint32(at, true);
    // An event without an age is of no connection that the kernel side knows.
    return ns === 0 && kind === KIND.tcp_event ? undefined : Math.min(Math.floor(ns / 1e6), WRAP_MS - 1);
  }

  /**
   * When the connection began, milliseconds since the epoch; records that do not tell are only not earlier.
   * @param recordMs time of the record
   */
  beganMs(place: number, record: number, recordMs: number): number {
    const at = place * this.#width + BEGAN;
    const now = Math.floor(recordMs);
    const known = this.#values[at] as number;
    const ageMs = this.ageMs(record);
    if (ageMs === undefined && known !== 0) return now - ((now - known) >>> 0);
    const began = now - (ageMs ?? 0);
    this.#values[at] = began >>> 0 || 1;
    return began;
  }
}
