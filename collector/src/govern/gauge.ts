/** Measures the process, its rings and its memory for rows. */
import { ENUMS } from '../../../bpf/wire/events.gen.ts';
import { RECORD_KINDS } from '../counters.ts';
import type { Kernel } from '../kernel.ts';
import type { Measurement } from './pressure.ts';

export interface GaugeParts {
  readonly kernel: Pick<Kernel, 'ringFill' | 'recordCount'>;
  /** Bytes of rows that there is memory for. */
  readonly room: { readonly roomBytes: number };
}

export class Gauge {
  readonly #parts: GaugeParts;
  readonly #mostRoom: number;
  #cpu = process.cpuUsage();
  #ms = performance.now();
  #lost: number;

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
    const lost = this.#lostNow();
    const ringLost = lost > this.#lost;
    this.#lost = lost;
    return {
      nowMs,
      cpu: (user + system) / 1000 / passedMs,
      memoryBytes: process.memoryUsage.rss(),
      ringFill: kernel.ringFill(),
      ringLost,
      rowFill: 1 - room.roomBytes / this.#mostRoom,
    };
  }

  #lostNow(): number {
    return RECORD_KINDS.reduce(
      (sum, kind) => sum + this.#parts.kernel.recordCount(ENUMS.record_kind[kind]).lostRingFull,
      0,
    );
  }
}
