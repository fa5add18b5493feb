/** What of the configured data plane this version does. */
import type { Logger } from 'pino';
import { type DataplaneConfig, stepsWanted } from '../config_dataplane.ts';
import type { Condition } from './objects/source.ts';

/** Steps that are wanted and cannot be had: whoever thinks that something is enforced must be told that it is not. */
export function unavailableSteps(dataplane: DataplaneConfig): Condition[] {
  const message = 'this version only observes: nothing is audited, nothing is enforced; set it to observe';
  return stepsWanted(dataplane).map((name) => ({
    ...{ kind: 'Dataplane', namespace: '', name },
    ...{ accepted: false, reason: 'NotAvailable', message },
  }));
}

/** Says so at the start. */
export function tellUnavailable(dataplane: DataplaneConfig, log: Pick<Logger, 'warn'>): void {
  for (const { name, message } of unavailableSteps(dataplane)) {
    log.warn({ code: 'FLOW_DATAPLANE_STEP', step: name }, `dataplane.${name}: ${message}`);
  }
}
