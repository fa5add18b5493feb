/**
 * The HTTP rules of decisions as units, one for each set of rules: a request is allowed if one of them allows it. What
 * does not fit is not let through: the decision then has no unit, and none of its requests can be judged.
 */
import type { Condition } from './condition.ts';
import { compileUnit } from './http/compile.ts';
import { RULES_MAX } from './http/fields.ts';
import type { HttpUnit } from './http/unit.ts';
import type { Decision, RuleOf } from './judge.ts';
import type { HttpRule, Policy, Rule } from './model.ts';

/** One of the HTTP rules that a bit of a unit stands for. */
export interface RequestRule extends RuleOf {
  /** Its index in the rule's list of HTTP rules. */
  readonly http: number;
}

/** How the requests of a decision are judged. */
export interface RequestDecision {
  /** Index of its unit; undefined: its rules do not fit, no request is let through. */
  readonly unit: number | undefined;
  /** By bit. */
  readonly rules: readonly RequestRule[];
}

export interface DecisionUnits {
  readonly units: readonly HttpUnit[];
  /** By decision; undefined where no request is left to judge. */
  readonly requests: readonly (RequestDecision | undefined)[];
  /** What holds where rules do not fit: one for each policy that it is about. */
  readonly conditions: readonly Condition[];
}

const textOf = ({ method, path, host, headers }: HttpRule) =>
  JSON.stringify([method, path, host, headers.map(({ name, value }) => [name, value])]);

/** Each rule once, as the first that says so. */
function rulesOf({ http }: Decision): ReadonlyMap<string, RequestRule> {
  const rules = new Map<string, RequestRule>();
  for (const { policy, rule } of http)
    for (const [index, one] of (rule.http ?? []).entries()) {
      const text = textOf(one);
      if (!rules.has(text)) rules.set(text, { policy, rule, http: index });
    }
  return rules;
}

const httpRule = ({ rule, http }: RequestRule) => rule.http?.[http] as HttpRule;

/** Units by their rules: those of the last tables are kept for the next, because making one takes 50 ms to 2 s. */
export class UnitCache {
  #units = new Map<string, HttpUnit | undefined>();
  #used = new Map<string, HttpUnit | undefined>();

  /** @returns undefined if they do not fit */
  of(rules: ReadonlyMap<string, RequestRule>): HttpUnit | undefined {
    const key = [...rules.keys()].join();
    const known = this.#used.has(key) ? this.#used : this.#units;
    const unit = known.has(key) ? known.get(key) : compileUnit(Array.from(rules.values(), httpRule));
    this.#used.set(key, unit);
    return unit;
  }

  /** Forgets what was not used since the last time. */
  settle(): void {
    this.#units = this.#used;
    this.#used = new Map();
  }
}

function conditionOf(policy: Policy, reason: string, cause: string): Condition {
  const { kind, namespace, name } = policy;
  const message = `${cause}, so that no request is let through there where it is enforced: write fewer or simpler patterns`;
  return { kind, namespace, name, accepted: true, reason, message };
}

const titleOf = ({ namespace, name }: Policy) => (namespace === '' ? name : `${namespace}/${name}`);

/**
 * @param most units that there is room for; those that are asked for first have it
 * @param cache of the tables before
 */
export function unitsOf(decisions: readonly Decision[], most: number, cache: UnitCache): DecisionUnits {
  const units: HttpUnit[] = [];
  const numbers = new Map<HttpUnit, number>();
  const conditions = new Map<Policy, Condition>();
  const requests = decisions.map((decision): RequestDecision | undefined => {
    if (decision.http.length === 0) return undefined;
    const rules = rulesOf(decision);
    const found = cache.of(rules);
    const isNew = found !== undefined && !numbers.has(found);
    if (isNew && units.length < most) numbers.set(found, units.push(found) - 1);
    const unit = found && numbers.get(found);
    if (unit === undefined)
      for (const { policy } of decision.http) {
        const others = [...new Set(decision.http.map((one) => titleOf(one.policy)))].join(', ');
        const [reason, cause] =
          found === undefined
            ? [
                'HttpRulesDoNotFit',
                `the ${rules.size} HTTP rules of ${others} that count together fit into no table of ${RULES_MAX} rules`,
              ]
            : ['HttpTablesFull', `its HTTP rules need a table besides the ${most} that there is room for`];
        if (!conditions.has(policy)) conditions.set(policy, conditionOf(policy, reason, cause));
      }
    return { unit, rules: [...rules.values()] };
  });
  cache.settle();
  return { units, requests, conditions: [...conditions.values()] };
}

/**
 * The rule that a verdict of the kernel names.
 * @param bit of the HTTP rule that allowed a request; undefined: the connection itself
 */
export function ruleOf(
  { decisions, requests }: { readonly decisions: readonly Decision[] } & Pick<DecisionUnits, 'requests'>,
  decision: number,
  bit?: number,
): { readonly policy: Policy | undefined; readonly rule: Rule | undefined; readonly http: number | undefined } {
  const named = bit === undefined ? undefined : requests[decision]?.rules[bit];
  if (named !== undefined) return named;
  const { policy, rule } = decisions[decision] ?? {};
  return { policy, rule, http: undefined };
}
