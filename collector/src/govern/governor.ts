/**
 * Keeps the collector within its budget: measures once a second, sheds detail when there is too much of it, and says
 * when and by how much. What is shed was counted before: in the edges' metrics, or by the kernel.
 */
import type { Logger } from 'pino';
import type { Arena } from '../batch/arena.ts';
import type { WrittenRequest } from '../deliver/spans/sampler.ts';
import type { Kernel } from '../kernel.ts';
import { CgroupLoads } from './cgroup_loads.ts';
import { Controller } from './controller.ts';
import { detailOf, type Level, throttleOf } from './levels.ts';
import type { Measurement } from './pressure.ts';
import { type ShedRecords, shedGrowth } from './shed_records.ts';
import { Shedding } from './shedding.ts';

/** `collector.governor` */
export interface GovernorConfig {
  readonly enabled: boolean;
  readonly cpu_percent: number;
  readonly memory_bytes: number;
  readonly noisy_cgroup_percent: number;
  readonly slow_ms: number;
}

export interface GovernorParts {
  readonly config: GovernorConfig;
  readonly arena: Arena;
  /** Holds the texts of the request that is asked about. */
  readonly requestText: WrittenRequest;
  readonly kernel: Pick<Kernel, 'throttles'>;
  /** The path of a cgroup, or its id in digits. */
  readonly cgroupPath: (cgroup: bigint) => string;
  /** What was shed since the start. */
  readonly shed: () => ShedRecords;
  readonly nowMs: () => number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Milliseconds between two looks at the load. */
export const GOVERN_MS = 1000;

export class Governor {
  readonly #parts: GovernorParts;
  readonly #controller: Controller;
  /** What the data path asks and tells. */
  readonly parts: { readonly loads: CgroupLoads; readonly shedding: Shedding };
  readonly #throttled = new Map<bigint, number>();
  #level = 0;
  #recordsLevel = 0;
  #sinceMs: number;
  #told: ShedRecords;

  constructor(parts: GovernorParts) {
    const { arena, config, requestText } = parts;
    this.#parts = parts;
    this.#controller = new Controller({
      cpu: config.cpu_percent / 100,
      memoryBytes: config.memory_bytes,
      noisyShare: config.noisy_cgroup_percent / 100,
      mostThrottled: parts.kernel.throttles.capacity,
    });
    const shedding = new Shedding({ arena, request: requestText, slowMs: config.slow_ms });
    this.parts = { loads: new CgroupLoads(arena), shedding };
    this.#sinceMs = parts.nowMs();
    this.#told = parts.shed();
  }

  /** Number of the level in force. */
  get level(): number {
    return this.#level;
  }

  /** What is in force. */
  get detail(): Level {
    return detailOf(this.#level, this.#recordsLevel);
  }

  /** How many cgroups are throttled. */
  get throttledCgroups(): number {
    return this.#throttled.size;
  }

  /** Times more than `collector.flow_interval_s` between two rows of an open connection. */
  get flowIntervals(): number {
    return this.detail.flowIntervals;
  }

  /** Takes a measurement, and acts on it. */
  measured(measurement: Measurement): void {
    const loads = this.parts.loads.take();
    if (!this.#parts.config.enabled) return;
    this.#controller.measured(measurement, loads);
    this.#setThrottles();
    this.#setLevel();
  }

  /** What /status tells. */
  status(): unknown {
    const { config, cgroupPath, shed } = this.#parts;
    const { pressure } = this.#controller;
    return {
      enabled: config.enabled,
      level: this.#level,
      records_level: this.#recordsLevel,
      detail: this.detail.words,
      since: new Date(this.#sinceMs).toISOString(),
      pressure: Number(pressure.value.toFixed(3)),
      scarcest: pressure.of,
      throttled_cgroups: [...this.#throttled].map(([cgroup, step]) => ({
        cgroup: cgroupPath(cgroup),
        ...weights(step),
      })),
      shed: shed(),
    };
  }

  #setLevel(): void {
    const { level, recordsLevel } = this.#controller;
    if (level === this.#level && recordsLevel === this.#recordsLevel) return;
    const { log, nowMs } = this.#parts;
    const [before, recordsBefore] = [this.#level, this.#recordsLevel];
    this.#level = level;
    this.#recordsLevel = recordsLevel;
    this.parts.shedding.level = this.detail;
    const now = nowMs();
    const facts = {
      ...{ code: 'FLOW_GOVERN_LEVEL', from: before, to: level },
      ...{ records_from: recordsBefore, records_to: recordsLevel },
      ...this.#facts(now - this.#sinceMs),
    };
    this.#sinceMs = now;
    if (level > before || recordsLevel > recordsBefore)
      log.warn(facts, `too much for the collector's budget: from now on ${this.detail.words}`);
    else log.info(facts, `within the collector's budget again: from now on ${this.detail.words}`);
  }

  #setThrottles(): void {
    const { cgroupPath, kernel, log } = this.#parts;
    const { throttles } = this.#controller;
    for (const cgroup of new Set([...throttles.keys(), ...this.#throttled.keys()])) {
      const step = throttles.get(cgroup) ?? 0;
      const before = this.#throttled.get(cgroup) ?? 0;
      if (step === before) continue;
      kernel.throttles.set(cgroup, step === 0 ? undefined : throttleOf(step));
      if (step === 0) this.#throttled.delete(cgroup);
      else this.#throttled.set(cgroup, step);
      const facts = { code: 'FLOW_GOVERN_CGROUP', cgroup: cgroupPath(cgroup), ...weights(step), ...this.#facts() };
      if (step > before)
        log.warn(facts, 'one cgroup is too noisy for the budget: the kernel writes fewer of its records');
      else log.info(facts, 'the kernel writes more of this cgroup’s records again');
    }
  }

  /** Why, and how much was shed since the last line about it. */
  #facts(lastedMs?: number): Record<string, unknown> {
    const { pressure } = this.#controller;
    const shed = this.#parts.shed();
    const growth = shedGrowth(this.#told, shed);
    this.#told = shed;
    return {
      pressure: Number(pressure.value.toFixed(2)),
      scarcest: pressure.of,
      ...(lastedMs === undefined ? {} : { lasted_ms: Math.round(lastedMs) }),
      shed_since: growth,
    };
  }
}

const weights = (step: number) => {
  const { requestWeight, troubleWeight, eventWeight } = throttleOf(step);
  return { request_weight: requestWeight, trouble_weight: troubleWeight, event_weight: eventWeight };
};
