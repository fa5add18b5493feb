/**
 * What the numbers in the kernel's answers mean: decisions by the set of tables they are of, and security identities. Sets
 * that count no more are remembered, since connections that they let through live on, and what they denied may not be told
 * yet; and so they are after a crash: the file is written before a set counts.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { type DecidedBy, type Decisions, NOBODY } from '../../correlate/decisions.ts';
import { rowText } from '../../deliver/text.ts';
import type { PolicyTables } from './compile.ts';
import type { Person } from './people.ts';

/** One of the HTTP rules of a decision, by the bit that stands for it. */
export interface NamedRule {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Place of the rule in its policy, from 0; -1: none of its rules. */
  readonly index: number;
  /** Where it stands in its manifest; empty if it is no rule. */
  readonly path: string;
}

export interface NamedDecision extends NamedRule {
  readonly reason: string;
  readonly requests: readonly NamedRule[];
}

/** Decisions of one set of tables, or of several that have the same. */
type DecisionList = readonly NamedDecision[];

/** Sets that are remembered, of which most have the decisions of another; and identities. */
const MOST_SETS = 4096;
const MOST_PEOPLE = 65_536;
const NO_RULE: NamedRule = { kind: '', namespace: '', name: '', index: -1, path: '' };

interface Kept {
  readonly boot_id: string;
  readonly lists: readonly DecisionList[];
  readonly sets: readonly (readonly [generation: number, list: number])[];
  readonly people: readonly Person[];
}

/** The decisions of tables in words. */
function listOf({ decisions, requests }: PolicyTables): DecisionList {
  return decisions.map(({ reason, policy, rule }, number) => ({
    reason,
    ...(policy === undefined ? NO_RULE : { kind: policy.kind, namespace: policy.namespace, name: policy.name }),
    ...{ index: rule?.index ?? -1, path: rule?.path ?? '' },
    requests: (requests[number]?.rules ?? []).map((one) => ({
      ...{ kind: one.policy.kind, namespace: one.policy.namespace, name: one.policy.name },
      ...{ index: one.rule.index, path: `${one.rule.path}.rules.http[${one.http}]` },
    })),
  }));
}

interface List {
  readonly text: string;
  readonly decisions: DecisionList;
  /** As rows have them. */
  readonly rows: readonly DecidedBy[];
}

function listFrom(decisions: DecisionList, text = JSON.stringify(decisions)): List {
  const rows = decisions.map(({ kind, namespace, name, index }) => ({
    ...{ kind: rowText(kind), namespace: rowText(namespace), name: rowText(name), ruleIndex: index },
  }));
  return { text, decisions, rows };
}

/** Names of one collector's policies. */
export class PolicyNames implements Decisions {
  readonly #path: string;
  readonly #bootId: string;
  readonly #log: Pick<Logger, 'warn'>;
  /** By generation; the oldest first. */
  readonly #sets = new Map<number, List>();
  readonly #people = new Map<number, Person>();

  /**
   * @param path of the file
   * @param bootId of this boot: what an earlier one had in its kernel is gone
   */
  constructor(path: string, bootId: string, log: Pick<Logger, 'warn'>) {
    this.#path = path;
    this.#bootId = bootId;
    this.#log = log;
    const kept = this.#read();
    const lists = kept?.lists.map((decisions) => listFrom(decisions)) ?? [];
    for (const [generation, list] of kept?.sets ?? []) {
      const known = lists[list];
      if (known !== undefined) this.#sets.set(generation, known);
    }
    for (const person of kept?.people ?? []) this.#people.set(person.identity, person);
  }

  /** A set is about to count. */
  add(generation: number, tables: PolicyTables, people: readonly Person[]): void {
    const decisions = listOf(tables);
    const text = JSON.stringify(decisions);
    const same = this.#sets.values().find((list) => list.text === text);
    // Numbers begin anew when they have all been used, or with another boot.
    this.#sets.delete(generation);
    this.#sets.set(generation, same ?? listFrom(decisions, text));
    for (const person of people) {
      this.#people.delete(person.identity);
      this.#people.set(person.identity, person);
    }
    forgetOldest(this.#sets, MOST_SETS);
    forgetOldest(this.#people, MOST_PEOPLE);
    this.#write();
  }

  decidedBy(generation: number, decision: number): DecidedBy {
    return this.#sets.get(generation)?.rows[decision] ?? NOBODY;
  }

  /** @param decision its number in its set */
  decision(generation: number, decision: number): NamedDecision | undefined {
    return this.#sets.get(generation)?.decisions[decision];
  }

  person(identity: number): Person | undefined {
    return this.#people.get(identity);
  }

  #read(): Kept | undefined {
    try {
      const kept = JSON.parse(readFileSync(this.#path, 'utf8')) as Kept;
      return kept.boot_id === this.#bootId ? kept : undefined;
    } catch {
      // None yet, or a damaged one: what was decided before is named no more.
      return undefined;
    }
  }

  /** Whole or not at all. */
  #write(): void {
    const lists = [...new Set(this.#sets.values())];
    const numbers = new Map(lists.map((list, number) => [list, number]));
    const kept: Kept = {
      boot_id: this.#bootId,
      lists: lists.map(({ decisions }) => decisions),
      sets: Array.from(this.#sets, ([generation, list]) => [generation, numbers.get(list) ?? 0] as const),
      people: [...this.#people.values()],
    };
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileSync(`${this.#path}.new`, JSON.stringify(kept), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn(
        { err: error, code: 'FLOW_POLICY_NAMES' },
        'cannot write data_dir: free or mend its disk; until then verdicts of before a crash name no policy',
      );
    }
  }
}

function forgetOldest(map: Map<number, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
