/** What is remembered of a connection: what the record of one end tells the later records, and those of the other end. */
import { ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
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

/** What is kept: endpoint number and namespace of each end, client first, and which ends were closed, a bit each. */
const NETNS = 2;
const CLOSED = 4;
export const OWN = 5;

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

  /** @param facts numbers that others keep of each */
  constructor(arena: Arena, facts: number) {
    this.#arena = arena;
    this.#table = new FingerprintTable(CONNECTIONS, OWN + facts);
    this.width = this.#table.width;
    this.values = this.#table.values;
  }

  /**
   * The record's end was observed, which is the client or the server.
   * @param number of its endpoint, 0 if that could not be told
   * @returns the connection's place
   */
  note(low: number, high: number, record: number, isFlow: boolean, number: number, nowS: number): number {
    const { bytes, view } = this.#arena;
    const { values } = this;
    const end = (bytes[record + F.observation_point] as number) - CLIENT;
    const place = this.#table.claim(low, high, nowS, CONNECTION_S);
    const at = place * this.width;
    const netns = view.getUint32(record + F.netns, true);
    const before = values[at + NETNS + end];
    if (before !== NOT_SEEN && before !== netns) {
      if (((values[at + CLOSED] as number) & (1 << end)) === 0) {
        values[at + NETNS + end] = SEVERAL;
        values[at + end] = NOT_KNOWN;
        return place;
      }
      // Over, and begun again somewhere else.
      this.#table.reset(place);
    }
    values[at + NETNS + end] = netns;
    if (isFlow && bytes[record + F.flow_state] === ENUMS.flow_state.closed) values[at + CLOSED]! |= 1 << end;
    else values[at + CLOSED]! &= ~(1 << end);
    if (number !== 0) values[at + end] = number;
    else if (values[at + end] === NOT_SEEN) values[at + end] = NOT_KNOWN;
    return place;
  }

  /** Where a connection is; NOWHERE if it is not remembered. */
  find(low: number, high: number, nowS: number): number {
    const place = this.#table.find(low, high);
    return place === -1 || nowS - this.#table.written(place) > CONNECTION_S ? NOWHERE : place;
  }

  /** What is known of one end: an endpoint's number, NOT_SEEN or NOT_KNOWN. @param place as found, or NOWHERE */
  end(place: number, point: number): number {
    return place === NOWHERE ? NOT_SEEN : (this.values[place * this.width + point - CLIENT] as number);
  }
}
