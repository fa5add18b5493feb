/** Policies of a question: those that are in force, and what they would be with the drafts. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Condition } from '../../../collector/src/control/policy/condition.ts';
import type { Modes, PolicyModel } from '../../../collector/src/control/policy/model.ts';
import { PolicySet } from '../../../collector/src/control/policy/policy_set.ts';
import { isPolicy } from './objects.ts';

/** What policies say is judged, whatever is done with it in a namespace. */
const MODES: Modes = { mode: 'enforce', namespaces: new Map() };

export interface Models {
  readonly before: PolicyModel;
  readonly after: PolicyModel;
  /** What is said of each object that was given: those in force, then the drafts. */
  readonly current: readonly Condition[];
  readonly drafts: readonly Condition[];
}

/**
 * Reads policies; a draft takes the place of what has its name.
 * @param signal ends it between objects: checking the patterns of one takes 10 ms, of a hostile one 3 s
 */
export async function readModels(
  current: readonly unknown[],
  drafts: readonly unknown[],
  signal: AbortSignal,
): Promise<Models> {
  const policies = new PolicySet();
  const take = async (objects: readonly unknown[]): Promise<Condition[]> => {
    const conditions: Condition[] = [];
    for (const object of objects.filter(isPolicy)) {
      conditions.push(policies.take(object));
      await turn();
      signal.throwIfAborted();
    }
    return conditions;
  };
  const told = await take(current);
  const before = policies.model(MODES);
  return { before, current: told, drafts: await take(drafts), after: policies.model(MODES) };
}
