/**
 * Decides how much detail there is, once per measurement. Pressure that one cgroup makes is taken from that cgroup alone,
 * before it is written; any other from all, by the levels.
 */
import { LEVELS, MOST_STEPS } from './levels.ts';
import { Patience } from './patience.ts';
import { type Budget, type Measurement, type Pressure, pressureOf } from './pressure.ts';

/** What one cgroup brought since the last measurement: requests and TCP events. */
export interface CgroupLoad {
  readonly cgroup: bigint;
  /** Records that were read. */
  readonly taken: number;
  /** Those that they stand for: what would have been read without a throttle, as far as known. */
  readonly offered: number;
}

export interface ControllerConfig extends Budget {
  /** Share of all requests and TCP events from which on a cgroup is noisy; 1: none ever is. */
  readonly noisyShare: number;
  /** Cgroups that can be throttled at once. */
  readonly mostThrottled: number;
}

/** Records a second below which shedding frees nothing to speak of. */
const WORTH_SHEDDING = 100;
/** A throttled cgroup that was no longer noisy for so long is eased. */
const EASED_MS = 5000;

export class Controller {
  readonly #config: ControllerConfig;
  readonly #patience = new Patience();
  readonly #throttles = new Map<bigint, { step: number; quietSinceMs: number | undefined }>();
  #level = 0;
  #lastMs: number | undefined;
  pressure: Pressure = { value: 0, of: 'cpu' };

  constructor(config: ControllerConfig) {
    this.#config = config;
  }

  /** Number in `LEVELS`. */
  get level(): number {
    return this.#level;
  }

  /** Steps of the throttled cgroups by cgroup id. */
  get throttles(): ReadonlyMap<bigint, number> {
    return new Map([...this.#throttles].map(([cgroup, { step }]) => [cgroup, step]));
  }

  /** Takes a measurement. @param loads of all cgroups that brought something */
  measured(measurement: Measurement, loads: readonly CgroupLoad[]): void {
    const { nowMs } = measurement;
    const seconds = (nowMs - (this.#lastMs ?? nowMs - 1000)) / 1000;
    this.#lastMs = nowMs;
    this.pressure = pressureOf(measurement, this.#config);
    const { value } = this.pressure;
    this.#ease(loads, nowMs);
    const taken = loads.reduce((sum, load) => sum + load.taken, 0);
    if (value > 1) {
      if (taken / seconds < WORTH_SHEDDING) return;
      this.#patience.rose(nowMs);
      this.#shed(value > 4 ? 3 : value > 2 ? 2 : 1, loads, taken);
    } else if (this.#level === 0 && this.#throttles.size === 0) this.#patience.rested(nowMs);
    else this.#restore(this.#patience.steps(value, nowMs));
  }

  #shed(steps: number, loads: readonly CgroupLoad[], taken: number): void {
    const noisy = this.#noisy(loads, taken);
    if (noisy === undefined) {
      this.#level = Math.min(LEVELS.length - 1, this.#level + steps);
      return;
    }
    const step = this.#throttles.get(noisy)?.step ?? 0;
    this.#throttles.set(noisy, { step: Math.min(MOST_STEPS, step + steps), quietSinceMs: undefined });
  }

  /** The cgroup that brings more than its share while others bring something too. */
  #noisy(loads: readonly CgroupLoad[], taken: number): bigint | undefined {
    const [first] = loads.toSorted((a, b) => b.taken - a.taken);
    if (first === undefined || first.taken === taken || first.taken <= this.#config.noisyShare * taken)
      return undefined;
    const throttle = this.#throttles.get(first.cgroup);
    if (throttle === undefined) return this.#throttles.size < this.#config.mostThrottled ? first.cgroup : undefined;
    return throttle.step < MOST_STEPS ? first.cgroup : undefined;
  }

  /** All suffer from the level, one from a throttle: the level falls first. */
  #restore(steps: number): void {
    if (steps === 0) return;
    if (this.#level > 0) this.#level = Math.max(0, this.#level - steps);
    else for (const cgroup of [...this.#throttles.keys()]) this.#lower(cgroup, steps);
  }

  /** Whoever is noisy no longer is not made to pay for another's noise. */
  #ease(loads: readonly CgroupLoad[], nowMs: number): void {
    const offered = loads.reduce((sum, load) => sum + load.offered, 0);
    for (const [cgroup, throttle] of this.#throttles) {
      const own = loads.find((load) => load.cgroup === cgroup)?.offered ?? 0;
      if (own > (this.#config.noisyShare / 2) * offered) {
        throttle.quietSinceMs = undefined;
        continue;
      }
      throttle.quietSinceMs ??= nowMs;
      if (nowMs - throttle.quietSinceMs < EASED_MS) continue;
      throttle.quietSinceMs = nowMs;
      this.#lower(cgroup, 3);
    }
  }

  #lower(cgroup: bigint, steps: number): void {
    const throttle = this.#throttles.get(cgroup);
    if (throttle === undefined) return;
    throttle.step -= steps;
    if (throttle.step <= 0) this.#throttles.delete(cgroup);
  }
}
