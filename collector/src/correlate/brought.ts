/** Clients that were brought to a backend of a service when they connected: their records name the service by its id. */
import { FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { type BalancedServices, NONE_BALANCED, type ServiceName } from '../control/identity.ts';

export class Brought {
  readonly #view: DataView;
  readonly #services: BalancedServices;

  constructor({ view }: Arena, services: BalancedServices = NONE_BALANCED) {
    this.#view = view;
    this.#services = services;
  }

  /** Whether the record is of such a client. */
  is(record: number): boolean {
    const at = record + F.service_id;
    return this.#view.getUint32(at, true) !== 0 || this.#view.getUint32(at + 4, true) !== 0;
  }

  /** What it dialled; undefined if that is no longer known. To be asked once per connection. */
  serviceOf(record: number): ServiceName | undefined {
    return this.#services.nameOf(this.#view.getBigUint64(record + F.service_id, true));
  }
}
