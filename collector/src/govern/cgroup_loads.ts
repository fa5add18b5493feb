/** How many requests and TCP events each cgroup brings: counted record by record, without making anything. */
import { ENUMS, FLOW_RECORD, REQUEST_RECORD, TCP_EVENT_RECORD } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import type { CgroupLoad } from './noise.ts';

/** A power of two. Cgroups beyond three quarters of it are counted together until the next look at them. */
const SLOTS = 1024;
const MOST = SLOTS * 0.75;
/** Both halves of the id below. */
const BEYOND = 0xffff_ffff;
/** The cgroup that those beyond are counted as; no cgroup has this id. */
export const CGROUPS_BEYOND = 2n ** 64n - 1n;

const KINDS = ['request', 'tcp_event'] as const;
const POINTS = Object.keys(ENUMS.observation_point).length;
/** Counts of one cgroup: by kind and observation point. */
const STREAMS = KINDS.length * POINTS;

/** Counts between two `take`s. */
export class CgroupLoads {
  readonly #arena: Arena;
  readonly #lows = new Uint32Array(SLOTS);
  readonly #highs = new Uint32Array(SLOTS);
  readonly #inUse = new Uint8Array(SLOTS);
  readonly #taken = new Float64Array(SLOTS * STREAMS);
  readonly #offered = new Float64Array(SLOTS * STREAMS);
  /** The slots in use: few are, and only they are read and cleared. */
  readonly #slots = new Uint16Array(SLOTS);
  #used = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Counts a record of a kind. @param weight how many it stands for */
  count(kind: CgroupLoad['kind'], record: number, weight: number): void {
    const { view } = this.#arena;
    // Whoever works with the socket; a socket that nobody has touched yet is its maker's.
    let at = record + FLOW_RECORD.owner_cgroup_id;
    if ((view.getUint32(at, true) | view.getUint32(at + 4, true)) === 0) at = record + FLOW_RECORD.socket_cgroup_id;
    const slot = this.#slot(view.getUint32(at, true), view.getUint32(at + 4, true));
    const point = Math.min(view.getUint8(record + FLOW_RECORD.observation_point), POINTS - 1);
    const stream = slot * STREAMS + (kind === 'request' ? 0 : POINTS) + point;
    this.#taken[stream] = (this.#taken[stream] as number) + 1;
    this.#offered[stream] = (this.#offered[stream] as number) + weight;
  }

  /** What was counted since the last call. */
  take(): CgroupLoad[] {
    const loads: CgroupLoad[] = [];
    for (const slot of this.#slots.subarray(0, this.#used)) {
      const cgroup = (BigInt(this.#highs[slot] as number) << 32n) | BigInt(this.#lows[slot] as number);
      for (const [number, kind] of KINDS.entries()) {
        for (let observationPoint = 0; observationPoint < POINTS; observationPoint += 1) {
          const stream = slot * STREAMS + number * POINTS + observationPoint;
          const [taken, offered] = [this.#taken[stream] as number, this.#offered[stream] as number];
          if (taken > 0) loads.push({ cgroup, kind, observationPoint, taken, offered });
        }
      }
      this.#inUse[slot] = 0;
      this.#taken.fill(0, slot * STREAMS, (slot + 1) * STREAMS);
      this.#offered.fill(0, slot * STREAMS, (slot + 1) * STREAMS);
    }
    this.#used = 0;
    return loads;
  }

  #slot(low: number, high: number): number {
    let slot = Math.imul(low ^ high, 0x9e3779b1) >>> 22;
    for (; this.#inUse[slot] !== 0; slot = (slot + 1) % SLOTS) {
      if (this.#lows[slot] === low && this.#highs[slot] === high) return slot;
    }
    if (this.#used >= MOST && (low & high) >>> 0 !== BEYOND) return this.#slot(BEYOND, BEYOND);
    this.#slots[this.#used] = slot;
    this.#used += 1;
    this.#inUse[slot] = 1;
    this.#lows[slot] = low;
    this.#highs[slot] = high;
    return slot;
  }
}

/** How many a request or TCP event stands for as it comes from the kernel: others of its cgroup were shed there. */
export function weightOfRequest({ view }: Arena, record: number): number {
  return view.getUint16(record + REQUEST_RECORD.sample_weight, true) || 1;
}

/** The same of a TCP event. */
export function weightOfEvent({ view }: Arena, record: number): number {
  return view.getUint16(record + TCP_EVENT_RECORD.sample_weight, true) || 1;
}
