/** Who was observed at which end of a connection: what the record of one end tells the records of the other. */
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { FingerprintTable } from './fingerprint_table.ts';

/** Connections that are remembered, and how long without records, seconds. */
const CONNECTIONS = 1 << 17;
const CONNECTION_S = 120;

/** What is kept of an end: nothing was observed there, or who it is could not be told. Other numbers are endpoints. */
export const NOT_SEEN = 0;
export const NOT_KNOWN = 0xffffffff;

/** In place of a namespace: two have the same addresses and a connection each. */
const SEVERAL = 0xffffffff;

/** Endpoint numbers by connection and end. Wrong is worse than unknown: what two namespaces claim is nobody's. */
export class Connections {
  readonly #table = new FingerprintTable(CONNECTIONS, 6);
  /** By end: endpoint number, namespace, whether it was closed. Client first, server second. */
  readonly #ends: readonly Uint32Array[];
  readonly #namespaces: readonly Uint32Array[];
  readonly #closed: readonly Uint32Array[];

  constructor() {
    const [client, server, clientNetns, serverNetns, clientClosed, serverClosed] = this.#table.values;
    this.#ends = [client!, server!];
    this.#namespaces = [clientNetns!, serverNetns!];
    this.#closed = [clientClosed!, serverClosed!];
  }

  /**
   * An end was observed.
   * @param point observation point: client or server
   * @param number of its endpoint, 0 if that could not be told
   */
  note(low: number, high: number, point: number, number: number, netns: number, closed: boolean, nowS: number): void {
    const end = point - ENUMS.observation_point.client;
    const place = this.#table.claim(low, high, nowS, CONNECTION_S);
    const ends = this.#ends[end]!;
    const namespaces = this.#namespaces[end]!;
    const before = namespaces[place];
    if (before !== NOT_SEEN && before !== netns) {
      if (this.#closed[end]![place] === 0) {
        namespaces[place] = SEVERAL;
        ends[place] = NOT_KNOWN;
        return;
      }
      // Over, and begun again somewhere else.
      this.#table.reset(place);
    }
    namespaces[place] = netns;
    this.#closed[end]![place] = closed ? 1 : 0;
    if (number !== 0) ends[place] = number;
    else if (ends[place] === NOT_SEEN) ends[place] = NOT_KNOWN;
  }

  /** What is known of one end: an endpoint's number, NOT_SEEN or NOT_KNOWN. */
  end(low: number, high: number, point: number): number {
    const place = this.#table.find(low, high);
    return place === -1 ? NOT_SEEN : (this.#ends[point - ENUMS.observation_point.client]![place] as number);
  }
}
