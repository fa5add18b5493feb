/**
 * Decides how much detail there is, once per measurement. Pressure that one cgroup makes is taken from that cgroup alone,
 * before it is written; any other from all, by the levels. Flows and TCP events that do not fit their ring have levels of
 * their own.
 */
import { LEVELS, MOST_STEPS, RECORDS_LEVELS } from './levels.ts';
import { type CgroupLoad, Noise } from './noise.ts';
import { Patience } from './patience.ts';
import { type Budget, type Measurement, type Pressure, pressureOf, recordsPressureOf, scarcest } from './pressure.ts';

export interface ControllerConfig extends Budget {
  /** Share of the requests and TCP events seen at one end of connections from which on a cgroup is noisy; 1: none ever is. */
  readonly noisyShare: number;
  /** Cgroups that can be throttled at once. */
  readonly mostThrottled: number;
}

/** Records a second below which shedding frees nothing to speak of: for processor time, of each core of the budget. */
const WORTH_SHEDDING = 100;
const WORTH_SHEDDING_PER_CORE = 2500;
/** A throttled cgroup that was no longer noisy for so long is eased. */
const EASED_MS = 5000;

export class Controller {
  readonly #config: ControllerConfig;
  readonly #patience = new Patience();
  readonly #recordsPatience = new Patience();
  readonly #noise = new Noise();
  readonly #throttles = new Map<bigint, { step: number; quietSinceMs: number | undefined }>();
  #level = 0;
  #recordsLevel = 0;
  #lastMs: number | undefined;
  pressure: Pressure = { value: 0, of: 'cpu' };

  constructor(config: ControllerConfig) {
    this.#config = config;
  }

  /** Number in `LEVELS`. */
  get level(): number {
    return this.#level;
  }

  /** Number in `RECORDS_LEVELS`. */
  get recordsLevel(): number {
    return this.#recordsLevel;
  }

  /** Steps of the throttled cgroups by cgroup id. */
  get throttles(): ReadonlyMap<bigint, number> {
    return new Map([...this.#throttles].map(([cgroup, { step }]) => [cgroup, step]));
  }

  /** Takes a measurement. @param all loads of all cgroups that brought something */
  measured(measurement: Measurement, all: readonly CgroupLoad[]): void {
    // Packets that the kernel dropped for nobody it knows: their rate is limited already.
    const known = all.filter(({ cgroup }) => cgroup !== 0n);
    const { nowMs } = measurement;
    const seconds = (nowMs - (this.#lastMs ?? nowMs - 1000)) / 1000;
    this.#lastMs = nowMs;
    const pressure = pressureOf(measurement, this.#config);
    const records = recordsPressureOf(measurement);
    this.pressure = scarcest([pressure, records]);
    this.#noise.saw(known, nowMs);
    this.#ease(known, nowMs);
    this.#setRecordsLevel(records.value, nowMs);
    const { of, value } = pressure;
    const loads = of === 'requests_ring' ? known.filter(({ kind }) => kind === 'request') : known;
    const worth = this.#worth(pressure) * seconds;
    const taken = loads.reduce((sum, load) => sum + load.taken, 0);
    const offered = loads.reduce((sum, load) => sum + load.offered, 0);
    if (value > 1 && taken >= worth) {
      this.#patience.rose(nowMs);
      this.#shed(value > 4 ? 3 : value > 2 ? 2 : 1, loads, worth);
    } else if (this.#level === 0 && this.#throttles.size === 0) this.#patience.rested(nowMs);
    // Where all detail would cost next to nothing, it does not matter what else is scarce.
    else this.#restore(this.#patience.steps(offered < worth ? 0 : value, nowMs));
  }

  /** Records a second from which on shedding helps against what is scarce. */
  #worth({ of }: Pressure): number {
    return of === 'cpu' ? Math.max(WORTH_SHEDDING, WORTH_SHEDDING_PER_CORE * this.#config.cpu) : WORTH_SHEDDING;
  }

  #setRecordsLevel(pressure: number, nowMs: number): void {
    if (pressure > 1) {
      this.#recordsPatience.rose(nowMs);
      this.#recordsLevel = Math.min(RECORDS_LEVELS.length - 1, this.#recordsLevel + 1);
    } else if (this.#recordsLevel === 0) this.#recordsPatience.rested(nowMs);
    else this.#recordsLevel = Math.max(0, this.#recordsLevel - this.#recordsPatience.steps(pressure, nowMs));
  }

  #shed(steps: number, loads: readonly CgroupLoad[], worth: number): void {
    const noisy = this.#noisy(loads, worth);
    if (noisy === undefined) {
      this.#level = Math.min(LEVELS.length - 1, this.#level + steps);
      return;
    }
    const step = this.#throttles.get(noisy)?.step ?? 0;
    this.#throttles.set(noisy, { step: Math.min(MOST_STEPS, step + steps), quietSinceMs: undefined });
  }

  /** The heaviest of the noisy cgroups that can be throttled, or throttled more. */
  #noisy(loads: readonly CgroupLoad[], worth: number): bigint | undefined {
    const hasRoom = this.#throttles.size < this.#config.mostThrottled;
    return this.#noise.noisy(loads, this.#config.noisyShare).find(({ cgroup, taken }) => {
      const throttle = this.#throttles.get(cgroup);
      return throttle === undefined ? hasRoom && taken >= worth : throttle.step < MOST_STEPS;
    })?.cgroup;
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
      const own = loads.reduce((sum, load) => (load.cgroup === cgroup ? sum + load.offered : sum), 0);
      // Of all records a noisy cgroup brings more than half its share; less than half of that is not noisy for sure.
      if (own > (this.#config.noisyShare / 4) * offered) {
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
