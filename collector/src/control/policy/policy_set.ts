/**
 * The policies there are, object by object. An edit that is refused leaves the last good version of its object in
 * force, and its condition says so.
 */
import type { Condition } from './condition.ts';
import { type Modes, modelOf, type Policy, type PolicyModel } from './model.ts';
import { readPolicy } from './read_policy.ts';

interface Kept {
  readonly condition: Condition;
  readonly policies: readonly Policy[];
}

export interface ObjectName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const keyOf = ({ kind, namespace, name }: ObjectName) => JSON.stringify([kind, namespace, name]);

/** Grows with the objects that it is given; who gives them bounds them. */
export class PolicySet {
  readonly #kept = new Map<string, Kept>();

  /** Takes an object that is new or was changed. @returns what is said of it */
  take(object: unknown): Condition {
    const read = readPolicy(object);
    const key = keyOf(read.condition);
    const policies = read.condition.accepted ? read.policies : (this.#kept.get(key)?.policies ?? []);
    const condition = read.condition.accepted || policies.length === 0 ? read.condition : stillOld(read.condition);
    // What has no name cannot be taken away again.
    if (condition.name !== '') this.#kept.set(key, { condition, policies });
    return condition;
  }

  delete(name: ObjectName): void {
    this.#kept.delete(keyOf(name));
  }

  get conditions(): readonly Condition[] {
    return Array.from(this.#kept.values(), ({ condition }) => condition);
  }

  /** Policies in force, by kind. */
  counts(kinds: readonly string[]): ReadonlyMap<string, number> {
    const counts = new Map(kinds.map((kind) => [kind, 0]));
    for (const { condition, policies } of this.#kept.values())
      if (policies.length > 0) counts.set(condition.kind, (counts.get(condition.kind) ?? 0) + 1);
    return counts;
  }

  model(modes: Modes): PolicyModel {
    return modelOf(
      Array.from(this.#kept.values()).flatMap(({ policies }) => policies),
      modes,
    );
  }
}

function stillOld(condition: Condition): Condition {
  return { ...condition, message: `${condition.message}; until then its last good version stays in force` };
}
