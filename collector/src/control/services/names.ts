/** Names of services by the ids that sockets have of them, which outlive the services. */
import type { BalancedServices, ServiceName } from '../identity.ts';
import type { Pool } from './pools.ts';

/** Services that are remembered though they are gone, or are some on their way: connections to them may live on. */
const MOST = 262_144;

export class BalancedNames implements BalancedServices {
  readonly #names = new Map<bigint, ServiceName>();

  /** Takes what there is now; what there was before is forgotten only when there is too much of it. */
  take(pools: Iterable<Pool>): void {
    for (const { serviceId, namespace, service, port } of pools) {
      if (this.#names.get(serviceId)?.port === port) continue;
      this.#names.delete(serviceId);
      this.#names.set(serviceId, { namespace, name: service, port });
    }
    for (const id of this.#names.keys()) {
      if (this.#names.size <= MOST) return;
      this.#names.delete(id);
    }
  }

  nameOf(id: bigint): ServiceName | undefined {
    return this.#names.get(id);
  }
}
