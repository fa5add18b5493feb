/** What the kernel is told to write of noisy cgroups (bpf/throttle.bpf.h). */
import { CGROUP_THROTTLE } from '../../../bpf/wire/events.gen.ts';
import type { BpfMap } from '../../native/addon.ts';
import type { Throttle } from './levels.ts';

interface TableObject {
  map(name: string): Pick<BpfMap, 'update' | 'delete' | 'maxEntries'>;
}

export class ThrottleTable {
  readonly #throttles: Pick<BpfMap, 'update' | 'delete' | 'maxEntries'>;
  readonly #count: Pick<BpfMap, 'update'>;
  readonly #cgroups = new Set<bigint>();

  /** @param object loaded */
  constructor(object: TableObject) {
    this.#throttles = object.map('cgroup_throttles');
    this.#count = object.map('throttled_cgroups');
  }

  /** Cgroups that can be throttled at once. */
  get capacity(): number {
    return this.#throttles.maxEntries;
  }

  /** From now on fewer of a cgroup's records are written; undefined: all again. */
  set(cgroup: bigint, throttle: Throttle | undefined): void {
    const key = Buffer.alloc(8);
    key.writeBigUInt64LE(cgroup);
    if (throttle === undefined) {
      this.#throttles.delete(key);
      this.#cgroups.delete(cgroup);
    } else {
      const value = Buffer.alloc(CGROUP_THROTTLE.size);
      value.writeBigUInt64LE(BigInt(throttle.requestWeight), CGROUP_THROTTLE.request_weight);
      value.writeBigUInt64LE(BigInt(throttle.troubleWeight), CGROUP_THROTTLE.trouble_weight);
      value.writeBigUInt64LE(BigInt(throttle.eventWeight), CGROUP_THROTTLE.event_weight);
      this.#throttles.update(key, value);
      this.#cgroups.add(cgroup);
    }
    const count = Buffer.alloc(4);
    count.writeUInt32LE(this.#cgroups.size);
    this.#count.update(Buffer.alloc(4), count);
  }
}
