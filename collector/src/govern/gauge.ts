/** Measures the process, its rings and its memory for rows. */
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { RECORD_KINDS, type RecordKind } from '../counters.ts';
import type { Kernel } from '../kernel.ts';
import { MemoryGrowth } from './memory_growth.ts';
import type { Measurement, RingName } from './pressure.ts';

export interface GaugeParts {
  readonly kernel: Pick<Kernel, 'ringFill' | 'recordCount'>;
  /** Bytes of rows that there is memory for. */
  readonly room: { readonly roomBytes: number };
}

/** The ring that records of a kind take. */
const ringOf = (kind: RecordKind): RingName => (kind === 'request' ? 'request_records' : 'records');

export class Gauge {
  readonly #parts: GaugeParts;
  readonly #mostRoom: number;
  readonly #growth = new MemoryGrowth();
  #cpu = process.cpuUsage();
  #ms = performance.now();
  #lost: Readonly<Record<RingName, number>>;

  /** To be made while no row waits. */
  constructor(parts: GaugeParts) {
    this.#parts = parts;
    this.#mostRoom = parts.room.roomBytes;
    this.#lost = this.#lostNow();
  }

  /** What was used since the last call. */
  measure(): Measurement {
    const { kernel, room } = this.#parts;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#cpu = process.cpuUsage();
    const nowMs = performance.now();
    const passedMs = Math.max(1, nowMs - this.#ms);
    this.#ms = nowMs;
    const before = this.#lost;
    const lost = this.#lostNow();
    const memoryBytes = process.memoryUsage.rss();
    const ring = (name: RingName) => ({ fill: kernel.ringFill(name), lost: lost[name] > before[name] });
    this.#lost = lost;
    return {
      nowMs,
      cpu: (user + system) / 1000 / passedMs,
      memoryBytes,
      memoryGrows: this.#growth.grows(memoryBytes, nowMs),
      rings: { records: ring('records'), request_records: ring('request_records') },
      rowFill: 1 - room.roomBytes / this.#mostRoom,
    };
  }

  #lostNow(): Readonly<Record<RingName, number>> {
    const lost = { records: 0, request_records: 0 };
    for (const kind of RECORD_KINDS) {
      lost[ringOf(kind)] += this.#parts.kernel.recordCount(ENUMS.record_kind[kind]).lostRingFull;
    }
    return lost;
  }
}
