/** The data plane of one collector: loaded where a step is wanted, its parts made and joined here, by hand. */
import type { Logger } from 'pino';
import type { BpfObject } from '../native/addon.ts';
import { type DataplaneProgramStatus, LoadedDataplane } from './attach/dataplane/load.ts';
import { DataplanePins } from './attach/dataplane/pins.ts';
import type { Host } from './attach/host.ts';
import type { SharedMaps } from './attach/shared_maps.ts';
import type { Config } from './config.ts';
import { type Step, stepsWanted } from './config_dataplane.ts';
import type { DataplaneKernel, DataplanePart, PartOptions } from './control/dataplane/part.ts';
import { stepConditions } from './control/dataplane/step_conditions.ts';
import type { BalancedServices, ServiceName } from './control/identity.ts';
import type { Kubernetes } from './control/kubernetes/open.ts';
import type { Condition, ObjectFollower } from './control/objects/source.ts';
import { PolicyPart } from './control/policy/part.ts';
import { openRedirect } from './control/redirect/part.ts';
import { LoadBalancing } from './control/services/part.ts';
import { type DataplaneRole, dataplaneFamilies } from './deliver/prometheus/dataplane_families.ts';
import type { Family } from './telemetry/metrics_text.ts';

/** Parts by the step that they do. */
const PARTS: readonly { readonly step: Step; readonly make: (options: PartOptions) => DataplanePart }[] = [
  { step: 'redirect', make: openRedirect },
  { step: 'load_balancing', make: (options) => new LoadBalancing(options) },
  { step: 'policy', make: (options) => new PolicyPart(options) },
];

const NOT_MADE = 'this version only observes: nothing is audited, nothing is enforced; set it to observe';
const NOBODY_TELLS =
  'nothing is audited, nothing is enforced, since nobody tells what to act on: set kubernetes.enabled, or manifests to a directory';
const NOTHING_KEPT =
  'nothing is audited, nothing is enforced, since nothing of it would outlive the collector: set collector.pin_dir to a directory in a BPF filesystem';

interface Joined {
  readonly part: DataplanePart;
  isSettled: boolean;
}

/** Notes that a follower was settled. */
function noting(follower: ObjectFollower, settled: () => void): ObjectFollower {
  return {
    check: (id, object) => follower.check(id, object),
    take: (id, object) => follower.take(id, object),
    delete: (id, object) => follower.delete(id, object),
    settled() {
      follower.settled();
      settled();
    },
  };
}

/** Runs until it is closed; the kernel's side stays then. */
export class Dataplane implements BalancedServices {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #kubernetes: Kubernetes | undefined;
  readonly #loaded: LoadedDataplane | undefined;
  readonly #pins: DataplanePins | undefined;
  readonly #role: DataplaneRole = 'none';
  readonly #joined: Joined[] = [];
  readonly #reasons = new Map<Step, string>();
  #balancing: LoadBalancing | undefined;
  #isAttached = false;

  /**
   * Makes the parts, which follow the objects from now on; to be called before these are told.
   * @throws AttachError, NativeError
   */
  constructor(config: Config, host: Host, kubernetes: Kubernetes | undefined, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#kubernetes = kubernetes;
    const { pin_dir, dataplane_object } = config.collector;
    const wanted = stepsWanted(config.dataplane);
    const steps = wanted.filter((wantedStep) => PARTS.some(({ step }) => step === wantedStep));
    for (const step of wanted) if (!steps.includes(step)) this.#reasons.set(step, NOT_MADE);
    if (kubernetes === undefined) for (const step of wanted) this.#reasons.set(step, NOBODY_TELLS);
    if (pin_dir === '') for (const step of wanted) this.#reasons.set(step, NOTHING_KEPT);
    if (kubernetes === undefined || pin_dir === '' || steps.length === 0) {
      this.#tellReasons();
      return;
    }
    this.#pins = new DataplanePins(pin_dir);
    const objectPath = dataplane_object || undefined;
    const loaded = new LoadedDataplane({ objectPath, cgroupRoot: host.cgroupRoot, steps, pins: this.#pins, log });
    this.#loaded = loaded;
    this.#role = 'holder';
    this.#noteReasons();
    const kernel: DataplaneKernel = {
      object: loaded.object,
      attachDevice: (program, device) => loaded.attachDevice(program, device),
      detachDevice: (program, device) => loaded.detachDevice(program, device),
    };
    try {
      for (const { step, make } of PARTS) {
        if (!steps.includes(step) || this.#reasons.has(step)) continue;
        const part = make({ kernel, config, host, kubernetes, log });
        if (part instanceof LoadBalancing) this.#balancing = part;
        const joined = { part, isSettled: false };
        this.#joined.push(joined);
        kubernetes.objects.follow(
          part.kinds,
          noting(part.follower, () => this.#settled(joined)),
        );
      }
      this.#attachWhenFilled();
    } catch (error) {
      this.close();
      throw error;
    }
    this.#tellReasons();
  }

  /** Undefined where the step is not done. */
  get policy(): PolicyPart | undefined {
    return this.#joined.map(({ part }) => part).find((part) => part instanceof PolicyPart);
  }

  /** Programs of the wanted steps. */
  get programs(): readonly DataplaneProgramStatus[] {
    return this.#loaded?.programs ?? [];
  }

  get role(): DataplaneRole {
    return this.#role;
  }

  /** Where its maps are pinned, so that the observer may take them up; undefined where no data plane is loaded. */
  get shared(): SharedMaps | undefined {
    const [loaded, pins] = [this.#loaded, this.#pins];
    const redirects = stepsWanted(this.#config.dataplane).includes('redirect');
    return loaded && pins && { path: (map) => pins.map(loaded.layout, map), redirects };
  }

  /** The loaded object; undefined where no data plane is loaded. */
  get object(): BpfObject | undefined {
    return this.#loaded?.object;
  }

  /** How the steps stand, then what the parts say of objects. */
  conditions(): readonly Condition[] {
    const own = stepConditions(this.#config.dataplane, this.#reasons);
    return [...own, ...this.#joined.flatMap(({ part }) => part.conditions())];
  }

  nameOf(id: bigint): ServiceName | undefined {
    return this.#balancing?.nameOf(id);
  }

  *families(): Generator<Family> {
    yield* dataplaneFamilies(this.#role, this.programs);
    for (const { part } of this.#joined) yield* part.families();
  }

  /** Once a second. @param nowMs of a clock that never goes back */
  async tick(nowMs: number): Promise<void> {
    this.#kubernetes?.localPods?.tick(nowMs);
    this.#attachWhenFilled();
    for (const { part } of this.#joined) {
      try {
        await part.tick?.(nowMs);
      } catch (error) {
        // What one cannot do now is not the others' loss.
        this.#log.error(
          { err: error, code: 'FLOW_DATAPLANE_TICK', step: part.step },
          'a part of the data plane failed',
        );
      }
    }
  }

  close(): void {
    this.#kubernetes?.localPods?.close();
    for (const { part } of this.#joined) part.close();
    this.#loaded?.close();
  }

  #settled(joined: Joined): void {
    joined.isSettled = true;
    this.#attachWhenFilled();
  }

  #attachWhenFilled(): void {
    if (this.#isAttached || this.#loaded === undefined) return;
    if (!this.#joined.every(({ part, isSettled }) => part.isFilled?.() ?? isSettled)) return;
    this.#isAttached = true;
    this.#loaded.attach();
    this.#noteReasons();
    const { isTakenUp, programs } = this.#loaded;
    const attached = programs.filter((program) => program.attached).length;
    this.#log.info({ attached, of: programs.length, taken_up: isTakenUp }, 'the data plane is attached');
  }

  #noteReasons(): void {
    for (const [step, reason] of this.#loaded?.reasons ?? []) this.#reasons.set(step, reason);
  }

  #tellReasons(): void {
    for (const [step, reason] of this.#reasons) {
      this.#log.warn({ code: 'FLOW_DATAPLANE_STEP', step }, `dataplane.${step}: ${reason}`);
    }
  }
}
