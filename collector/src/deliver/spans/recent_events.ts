/**
 * The latest retransmits and resets, as rows, found again by their connection: what a span tells as its events. A ring
 * of slots with a chain per connection; the oldest are overwritten. Written on the data path, so nothing is allocated.
 */
import { TCP_EVENT_RECORD as E, ENUMS } from '../../../../bpf/wire/events.gen.ts';
import type { Arena } from '../../batch/arena.ts';

const SLOTS = 8192;
/** Rows of events have some 300 bytes, and no more than this with the longest names. */
const SLOT_BYTES = 768;
/** Links that are followed at most for one connection. */
const LONGEST_CHAIN = 256;
const KINDS: ReadonlySet<number> = new Set([
  ENUMS.event_kind.retransmit,
  ENUMS.event_kind.reset_sent,
  ENUMS.event_kind.reset_received,
]);

/** Keeps the latest events. */
export class RecentEvents {
  readonly #arena: Arena;
  readonly #rows = new Uint8Array(SLOTS * SLOT_BYTES);
  readonly #lengths = new Uint16Array(SLOTS);
  readonly #hashes = new Uint32Array(SLOTS);
  /** By bucket and by slot: number of the event before, counted from 1; 0 if there is none. */
  readonly #heads = new Float64Array(SLOTS);
  readonly #previous = new Float64Array(SLOTS);
  #written = 0;
  #hash = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Whether the event of this record is one that spans tell of; `keep` then keeps its row. */
  wants(record: number): boolean {
    if (!KINDS.has(this.#arena.bytes[record + E.event_kind] as number)) return false;
    this.#hash = connectionHash(this.#arena, record);
    return true;
  }

  /** Keeps the row of the record that was wanted last. */
  keep(row: Uint8Array): void {
    if (row.length > SLOT_BYTES) return;
    const slot = this.#written % SLOTS;
    this.#rows.set(row, slot * SLOT_BYTES);
    this.#lengths[slot] = row.length;
    this.#hashes[slot] = this.#hash;
    const bucket = this.#hash % SLOTS;
    this.#previous[slot] = this.#heads[bucket] as number;
    this.#written += 1;
    this.#heads[bucket] = this.#written;
  }

  /**
   * Rows of a connection's events, the latest first; among them may be those of others with an equal hash.
   * @param hash of `connectionHash`
   */
  of(hash: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    let number = this.#heads[hash % SLOTS] as number;
    for (let links = 0; links < LONGEST_CHAIN && number > Math.max(0, this.#written - SLOTS); links += 1) {
      const slot = (number - 1) % SLOTS;
      const at = slot * SLOT_BYTES;
      if (this.#hashes[slot] === hash) found.push(this.#rows.subarray(at, at + (this.#lengths[slot] as number)));
      number = this.#previous[slot] as number;
    }
    return found;
  }
}

/**
 * A number that stands for the connection of a record: of where its two streams begin, which both ends see alike through
 * address translation too, and before that is known of its addresses and ports.
 */
export function connectionHash({ bytes, view }: Arena, record: number): number {
  const source = view.getUint32(record + E.source_sequence_begin, true);
  const destination = view.getUint32(record + E.destination_sequence_begin, true);
  let hash = 0x811c9dc5;
  if (source !== 0 || destination !== 0) {
    hash = Math.imul(hash ^ source, 0x9e3779b1);
    hash = Math.imul((hash ^ (hash >>> 15)) + destination, 0x85ebca77);
  } else {
    const [addresses, ports] = [record + E.source_address, record + E.source_port];
    for (let at = addresses; at < addresses + 32; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    for (let at = ports; at < ports + 4; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}
