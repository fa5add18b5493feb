/** Load balancing as a part of the data plane: what the objects say is brought to the kernel, and kept being tried. */
import type { Logger } from 'pino';
import type { BpfMap } from '../../../native/addon.ts';
import { perCpuSum } from '../../attach/per_cpu.ts';
import { modeIn } from '../../config_dataplane.ts';
import type { Family } from '../../telemetry/metrics_text.ts';
import type { DataplanePart, PartOptions } from '../dataplane/part.ts';
import type { BalancedServices, ServiceName } from '../identity.ts';
import type { Condition, ObjectFollower } from '../objects/source.ts';
import { BALANCED_KINDS, checkBalanced, ServiceBalancer } from './balancer.ts';
import { type Capacity, ServiceTables } from './compile.ts';
import { serviceFamilies } from './families.ts';
import { capacityOf, ServiceKernel } from './kernel.ts';
import { BalancedNames } from './names.ts';
import { readLeftTables } from './take_up.ts';

/** Between two attempts to bring to the kernel what it did not take, milliseconds. */
const AGAIN_MS = 10_000;

export class LoadBalancing implements DataplanePart, BalancedServices {
  readonly step = 'load_balancing';
  readonly kinds = BALANCED_KINDS;
  readonly follower: ObjectFollower;
  readonly #balancer: ServiceBalancer;
  readonly #names = new BalancedNames();
  readonly #counters: BpfMap;
  readonly #room: Capacity;
  readonly #log: Logger;
  /** Why the kernel's tables are not as the objects say; empty if they are. */
  #failure = '';
  #failedMs = 0;
  #isFilled = false;

  constructor({ kernel, config, log }: Pick<PartOptions, 'kernel' | 'config' | 'log'>) {
    const { object } = kernel;
    this.#log = log;
    this.#room = capacityOf(object);
    this.#counters = object.map('service_choice_counters');
    const writer = new ServiceKernel(object);
    this.#balancer = new ServiceBalancer({
      node: config.node,
      modeOf: (namespace) => modeIn(config.dataplane, 'load_balancing', namespace),
      readTables: () => new ServiceTables(this.#room, readLeftTables(object), performance.now()),
      apply: (changes) => writer.apply(changes),
    });
    this.follower = {
      check: checkBalanced,
      take: (id, object) => this.#balancer.take(id, object),
      delete: (id) => this.#balancer.delete(id),
      settled: () => this.#settle(),
    };
  }

  isFilled(): boolean {
    return this.#isFilled;
  }

  nameOf(id: bigint): ServiceName | undefined {
    return this.#names.nameOf(id);
  }

  /** What there is to say of Services that can be read, and of itself if the kernel did not take what they say. */
  conditions(): readonly Condition[] {
    const own = { kind: 'Dataplane', namespace: '', name: this.step, accepted: false, reason: 'NotWritten' };
    const said = this.#balancer.conditions().filter(({ reason }) => reason !== 'Accepted');
    return this.#failure === '' ? said : [{ ...own, message: this.#failure }, ...said];
  }

  families(): Iterable<Family> {
    return serviceFamilies((index) => perCpuSum(this.#counters, index, 0), this.#balancer.used, this.#room);
  }

  tick(nowMs: number): void {
    if (this.#failure === '' || nowMs - this.#failedMs < AGAIN_MS) return;
    this.#failedMs = nowMs;
    this.#settle();
  }

  close(): void {
    this.#counters.close();
  }

  #settle(): void {
    try {
      this.#balancer.settled();
      this.#names.take(this.#balancer.pools.values());
      this.#isFilled = true;
      this.#failure = '';
    } catch (error) {
      // What is in the kernel holds together: the last good state goes on.
      this.#failure = `the tables stay as they were, which is tried again every ${AGAIN_MS / 1000} s: ${(error as Error).message}`;
      this.#log.error({ err: error, code: 'FLOW_SERVICES_NOT_WRITTEN' }, 'services are not as the objects say');
    }
  }
}
