/** What is remembered of a connection: what the record of one end tells the later records, and those of the other end. */
import { ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { GroupedChanges } from './changes.ts';
import type { Fingerprint } from './fingerprint.ts';
import { FingerprintTable } from './fingerprint_table.ts';

/** Connections that are remembered, and how long without records, seconds. */
const CONNECTIONS = 1 << 17;
const CONNECTION_S = 120;

/** What is kept of an end: nothing was observed there, or who it is could not be told. Other numbers are endpoints. */
export const NOT_SEEN = 0;
export const NOT_KNOWN = 0xffffffff;

/** No connection's place. */
export const NOWHERE = -1;

/** In place of a namespace: two have the same addresses and a connection each. */
const SEVERAL = 0xffffffff;

const CLIENT = ENUMS.observation_point.client;
const SERVER = ENUMS.observation_point.server;
const STATE = ENUMS.flow_state;

/** What is kept: endpoint number, namespace and socket of each end, client first, and which ends were closed, a bit each. */
const NETNS = 2;
const SOCKET = 4;
const CLOSED = 6;
export const OWN = 7;

/** Cookie and generation of a record's socket as one number, never 0. */
export function socketOf(view: DataView, record: number): number {
  const cookie = view.getUint32(record + F.socket_cookie, true) ^ view.getUint32(record + F.socket_cookie + 4, true);
  const generation = view.getUint32(record + F.generation, true);
  return (cookie ^ Math.imul(generation + 1, 0x9e3779b1)) >>> 0 || 1;
}

/**
 * Connections by fingerprint, each with a place of its own. Wrong is worse than unknown: what two namespaces claim is
 * nobody's.
 */
export class Connections {
  readonly #arena: Arena;
  readonly #table: FingerprintTable;
  /** Numbers per connection, and all of them by place × width; from OWN on they are others', 0 in new places. */
  readonly width: number;
  readonly values: Uint32Array;
  /** Counts what is remembered otherwise than before, times aside. */
  readonly changes = new GroupedChanges();

  /** @param facts numbers that others keep of each */
  constructor(arena: Arena, facts: number) {
    this.#arena = arena;
    this.#table = new FingerprintTable(CONNECTIONS, OWN + facts);
    this.width = this.#table.width;
    this.values = this.#table.values;
  }

  /**
   * The record's end was observed, which is the client or the server. Addresses and ports may be used again soon: what is
   * kept of an end is its socket's, as flows have it; of a connection's first events the socket is its listener's.
   * @param socket as `socketOf` has it
   * @param number of its endpoint, 0 if that could not be told
   * @returns the connection's place, NOWHERE if the record is not of the connection that is there
   */
  note(key: Fingerprint, record: number, isFlow: boolean, socket: number, number: number, nowS: number): number {
    const { bytes, view } = this.#arena;
    const { values } = this;
    const end = (bytes[record + F.observation_point] as number) - CLIENT;
    const place = this.#table.claim(key.low, key.high, nowS, CONNECTION_S);
    const { isNew } = this.#table;
    const at = place * this.width;
    const netns = view.getUint32(record + F.netns, true);
    const before = values[at + NETNS + end];
    if (before !== NOT_SEEN && before !== netns) {
      this.changes.add(key.low);
      if (!this.#isClosed(at, end)) {
        values[at + NETNS + end] = SEVERAL;
        values[at + end] = NOT_KNOWN;
        return place;
      }
      // Over, and begun again somewhere else.
      this.#table.reset(place);
    }
    const known = values[at + SOCKET + end];
    if (known !== NOT_SEEN && known !== socket) {
      if (!isFlow && !this.#isClosed(at, end)) return NOWHERE;
      this.changes.add(key.low);
      this.#clear(at, end);
      // Where the other end is not over, it is of the new connection already.
      if (this.#isClosed(at, 1 - end)) this.#clear(at, 1 - end);
    }
    values[at + NETNS + end] = netns;
    const wasClosed = this.#isClosed(at, end);
    const [ownerBefore, socketBefore] = [values[at + end], values[at + SOCKET + end]];
    if (isFlow) {
      values[at + SOCKET + end] = socket;
      const state = bytes[record + F.flow_state];
      if (state === STATE.closed) values[at + CLOSED]! |= 1 << end;
      else if (state === STATE.opened) values[at + CLOSED]! &= ~(1 << end);
    }
    if (number !== 0) values[at + end] = number;
    else if (values[at + end] === NOT_SEEN) values[at + end] = NOT_KNOWN;
    const isSame = values[at + end] === ownerBefore && values[at + SOCKET + end] === socketBefore;
    if (isNew || before === NOT_SEEN || !isSame || this.#isClosed(at, end) !== wasClosed) this.changes.add(key.low);
    return place;
  }

  /** What others keep of a connection is not what it was. */
  changed(place: number): void {
    this.changes.add(this.#table.lowOf(place));
  }

  #isClosed(at: number, end: number): boolean {
    return ((this.values[at + CLOSED] as number) & (1 << end)) !== 0;
  }

  #clear(at: number, end: number): void {
    this.values[at + end] = NOT_SEEN;
    this.values[at + NETNS + end] = NOT_SEEN;
    this.values[at + SOCKET + end] = NOT_SEEN;
    this.values[at + CLOSED]! &= ~(1 << end);
  }

  /** Where a record's connection is; NOWHERE if it is not remembered, or another has its addresses and ports by now. */
  of(key: Fingerprint, record: number, isFlow: boolean, socket: number, nowS: number): number {
    const place = this.find(key, nowS);
    const point = this.#arena.bytes[record + F.observation_point] as number;
    // Events of a server may have its listener's socket, and others none.
    if (place === NOWHERE || (point !== CLIENT && (point !== SERVER || !isFlow))) return place;
    const known = this.values[place * this.width + SOCKET + point - CLIENT];
    return known === NOT_SEEN || known === socket ? place : NOWHERE;
  }

  /** Where a connection is; NOWHERE if it is not remembered. */
  find(key: Fingerprint, nowS: number): number {
    const place = this.#table.find(key.low, key.high);
    return place === -1 || nowS - this.#table.written(place) > CONNECTION_S ? NOWHERE : place;
  }

  /**
   * Marks the numbers that others keep of connections that are remembered; those beyond the marks are left out.
   * @param fact which of them, from OWN on
   * @param marks by number
   */
  mark(fact: number, marks: Uint8Array, nowS: number): void {
    for (let place = 0; place < CONNECTIONS; place += 1) {
      if (nowS - this.#table.written(place) > CONNECTION_S) continue;
      const number = this.values[place * this.width + fact] as number;
      if (number < marks.length) marks[number] = 1;
    }
  }

  /** What is known of one end: an endpoint's number, NOT_SEEN or NOT_KNOWN. @param place as found, or NOWHERE */
  end(place: number, point: number): number {
    return place === NOWHERE ? NOT_SEEN : (this.values[place * this.width + point - CLIENT] as number);
  }
}
