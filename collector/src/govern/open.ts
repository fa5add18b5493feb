/** The governor of a running collector. */
import type { Counters } from '../counters.ts';
import { Governor, type GovernorParts } from './governor.ts';
import { shedRecords } from './shed_records.ts';

export { GOVERN_MS } from './governor.ts';

/** @param parts as `Governor` takes them; what was shed is read from the counters */
export function openGovernor(parts: Omit<GovernorParts, 'nowMs' | 'shed'> & { readonly counters: Counters }): Governor {
  return new Governor({ ...parts, nowMs: () => Date.now(), shed: () => shedRecords(parts.counters) });
}
