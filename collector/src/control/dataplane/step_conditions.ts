/** How the steps of the configured data plane stand. */
import { type DataplaneConfig, STEPS, type Step, stepsWanted } from '../../config_dataplane.ts';
import type { Condition } from '../objects/source.ts';

/** Why a step that is wanted is not done, as a sentence without its end. */
export type Reasons = ReadonlyMap<Step, string>;

/** One condition for each wanted step: whoever thinks that something is enforced must be told if it is not. */
export function stepConditions(dataplane: DataplaneConfig, reasons: Reasons): Condition[] {
  const wanted = stepsWanted(dataplane);
  return STEPS.filter((step) => wanted.includes(step)).map((name) => {
    const message = reasons.get(name) ?? '';
    const reason = message === '' ? 'Attached' : 'NotAvailable';
    return { kind: 'Dataplane', namespace: '', name, accepted: message === '', reason, message };
  });
}
