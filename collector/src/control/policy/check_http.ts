/** HTTP rules of policies that were read: whether they can be honoured. */
import { Refusal } from './condition.ts';
import { RuleCheck } from './http/check.ts';
import type { Policy } from './model.ts';

/** What is said of policies that are taken all the same. */
export interface Doubt {
  readonly reason: string;
  readonly message: string;
}

/**
 * Checks the policies of one object, each rule by itself. Whether all that count for a pod fit together is found out when
 * tables are made of them.
 * @returns the first doubt, if there is one
 * @throws Refusal
 */
export function checkHttp(policies: readonly Policy[]): Doubt | undefined {
  let first: Doubt | undefined;
  const check = new RuleCheck();
  for (const { direction, path, http = [] } of policies.flatMap(({ rules }) => rules)) {
    const at = `${path}.rules.http`;
    if (direction === 'egress' && http.length > 0)
      throw new Refusal(
        'HttpEgressUnsupported',
        at,
        'requests are judged where they come in, not where they leave',
        "write the rule as ingress of the servers' pods, or allow the ports as a whole",
      );
    for (const [index, rule] of http.entries()) {
      const where = (field: string) => `${at}[${index}]${field === '' ? '' : `.${field}`}`;
      const { refusal, doubt } = check.check(rule, index);
      if (refusal !== undefined) throw new Refusal(refusal.reason, where(refusal.field), refusal.message);
      if (doubt !== undefined) first ??= { reason: doubt.reason, message: `${where(doubt.field)}: ${doubt.message}` };
    }
  }
  return first;
}
