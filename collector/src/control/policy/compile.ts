/**
 * The model as flat tables, in which a verdict is four lookups however many policies there are:
 * - a pod of this node -> its subject numbers, one for each direction
 * - the other end's address, by its longest prefix -> its peer number
 * - subject and peer -> a port table
 * - port table, protocol and port, by the longest prefix -> a decision
 * Numbers are dense, from 1, and mean something in one set of tables only.
 */

import { compilePorts, type PortPrefix } from './compile_ports.ts';
import { type Condition, Refusal } from './condition.ts';
import { type DecisionUnits, UnitCache, unitsOf } from './decision_units.ts';
import { labelsOfNode, labelsOfPod, type Node, type OtherEnd, type Pod, securityIdentity, WORLD } from './endpoints.ts';
import { type Decision, matched, policiesFor, type Rules, ruleIsAbout, rulesFor } from './judge.ts';
import { keys } from './labels.ts';
import { DIRECTIONS, type Direction, type Mode, type Policy, type PolicyModel, type Rule } from './model.ts';
import { keyOfPrefix, only, type Prefix } from './prefix.ts';
import type { Labels } from './selector.ts';
import { longestOver, spokenOf, type Vocabulary, vocabularyOf } from './vocabulary.ts';

export interface SubjectEntry {
  readonly identity: number;
  /** Numbers of its subjects; 0: no policy is about this direction. */
  readonly ingress: number;
  readonly egress: number;
  readonly mode: Mode;
}

export interface AddressEntry {
  readonly prefix: Prefix;
  readonly identity: number;
  readonly peer: number;
}

/** The peer of a pair that stands for all that have no pair of their own. */
export const ANY_PEER = 0;

export interface PairEntry {
  readonly subject: number;
  readonly peer: number;
  readonly table: number;
}

export interface PortEntry extends PortPrefix<number> {
  readonly table: number;
}

export interface PolicyTables {
  /** By UID of the pod; pods of other nodes and those with their node's network have none. */
  readonly subjects: ReadonlyMap<string, SubjectEntry>;
  readonly addresses: readonly AddressEntry[];
  readonly pairs: readonly PairEntry[];
  readonly ports: readonly PortEntry[];
  /** By the values of the port entries. */
  readonly decisions: readonly Decision[];
  /** How their requests are judged, and by which units. */
  readonly requests: DecisionUnits['requests'];
  readonly units: DecisionUnits['units'];
}

/** Most entries of each table, as the kernel's maps are made, and of work. */
export interface Bounds {
  readonly subjects: number;
  readonly addresses: number;
  readonly pairs: number;
  readonly ports: number;
  readonly decisions: number;
  /** Tables of HTTP rules: half of the places there are (unit_map.ts), for those before are there, too. */
  readonly units: number;
  /** Subjects times peers that are looked at, which is the time it takes. */
  readonly matches: number;
}

export const BOUNDS: Bounds = {
  ...{ subjects: 4096, addresses: 131_072, pairs: 262_144 },
  ...{ ports: 262_144, decisions: 65_536, units: 16, matches: 4_194_304 },
};

/** What there is to judge. */
export interface Cluster {
  /** Name of the node that the tables are for. */
  readonly node: string;
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
}

export type Compiled =
  | {
      readonly tables: PolicyTables;
      readonly condition: undefined;
      /** Policies that are in force with HTTP rules that do not fit: what is not let through that they would allow. */
      readonly conditions: readonly Condition[];
    }
  | { readonly tables: undefined; readonly condition: Condition; readonly conditions: readonly [] };

/** Numbers from 1 for values, by a key. */
class Numbers<Value> {
  readonly values: Value[] = [];
  readonly #byKey = new Map<string, number>();

  /** @param make asked once for each key */
  of(key: string, make: () => Value): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const number = this.values.push(make());
    this.#byKey.set(key, number);
    return number;
  }
}

/** An end with the labels that policies speak of. */
interface Judged extends OtherEnd {
  /** Its ports that policies name, as one text. */
  readonly ports: string;
}

interface Subject {
  readonly direction: Direction;
  readonly rules: Rules;
  readonly labels: Labels;
  readonly ports: string;
}

const textOf = (labels: Labels) => JSON.stringify([...labels]);
const portsOf = (labels: Labels) => JSON.stringify([...labels].filter(([key]) => key.startsWith(keys.port(''))));

class Compiler {
  readonly #model: PolicyModel;
  readonly #words: Vocabulary;
  readonly #cluster: Cluster;
  readonly #bounds: Bounds;
  readonly #subjects = new Numbers<Subject>();
  readonly #peers = new Numbers<Judged>();
  readonly #tables = new Numbers<readonly PortPrefix<number>[]>();
  readonly #decisions = new Numbers<Decision>();
  readonly #policyNumbers: ReadonlyMap<Policy, number>;
  readonly #ruleNumbers: ReadonlyMap<Rule, number>;

  constructor(model: PolicyModel, cluster: Cluster, bounds: Bounds) {
    this.#bounds = bounds;
    this.#model = model;
    this.#words = vocabularyOf(model);
    this.#cluster = cluster;
    this.#policyNumbers = new Map(model.policies.map((policy, index) => [policy, index]));
    this.#ruleNumbers = new Map(model.policies.flatMap(({ rules }) => rules).map((rule, index) => [rule, index]));
  }

  run(cache: UnitCache): Compiled {
    const subjects = this.#subjectEntries();
    this.#fits('subjects', subjects.size);
    const addresses = this.#addressEntries();
    this.#fits('addresses', addresses.length);
    this.#fits('matches', this.#subjects.values.length * this.#peers.values.length);
    const pairs = this.#pairs();
    const ports = this.#tables.values.flatMap((prefixes, index) =>
      prefixes.map((prefix) => ({ table: index + 1, ...prefix })),
    );
    this.#fits('ports', ports.length);
    this.#fits('decisions', this.#decisions.values.length);
    const decisions = this.#decisions.values;
    const { units, requests, conditions } = unitsOf(decisions, this.#bounds.units, cache);
    const tables = { subjects, addresses, pairs, ports, decisions, requests, units };
    return { tables, condition: undefined, conditions };
  }

  #fits(name: keyof Bounds, size: number): void {
    const most = this.#bounds[name];
    if (size <= most) return;
    const next = 'the tables before stay in force; use fewer label sets, networks or ports in policies';
    throw new Refusal('TablesFull', name, `the policies need ${size}, at most ${most} fit`, next);
  }

  #subjectEntries(): ReadonlyMap<string, SubjectEntry> {
    const { node, pods } = this.#cluster;
    const mine = pods.filter((pod) => pod.node === node && !pod.hostNetwork);
    return new Map(mine.map((pod) => [pod.uid, this.#subjectEntry(pod)]));
  }

  #subjectEntry(pod: Pod): SubjectEntry {
    const labels = labelsOfPod(pod);
    const spoken = spokenOf(this.#words, labels);
    const [ingress, egress] = DIRECTIONS.map((direction) => {
      const policies = policiesFor(this.#model, labels, direction);
      if (policies.length === 0) return 0;
      // For egress it is the other end that gives ports their names.
      const ports = direction === 'ingress' ? portsOf(spoken) : '';
      const key = `${direction} ${policies.map((policy) => this.#policyNumbers.get(policy))} ${ports}`;
      return this.#subjects.of(key, () => ({ direction, rules: rulesFor(policies, direction), labels: spoken, ports }));
    }) as [number, number];
    return { identity: securityIdentity(labels), ingress, egress, mode: this.#model.modeOf(pod.namespace) };
  }

  #addressEntries(): readonly AddressEntry[] {
    const { node, nodes, pods } = this.#cluster;
    const entries = new Map<string, AddressEntry>();
    const add = (labels: Labels, prefixes: Iterable<Prefix>) => {
      const [spoken, identity] = [spokenOf(this.#words, labels), securityIdentity(labels)];
      for (const prefix of prefixes)
        entries.set(keyOfPrefix(prefix), { prefix, identity, peer: this.#peer(spoken, prefix) });
    };
    add(WORLD, this.#words.prefixes.values());
    for (const pod of pods) if (!pod.hostNetwork) add(labelsOfPod(pod), pod.addresses.map(only));
    for (const { name, labels, addresses } of nodes) add(labelsOfNode(name, labels, node), addresses.map(only));
    return [...entries.values()];
  }

  #peer(spoken: Labels, prefix: Prefix): number {
    const range = longestOver(this.#words, prefix);
    return this.#peers.of(`${keyOfPrefix(range)} ${textOf(spoken)}`, () => ({
      labels: spoken,
      prefix: range,
      ports: portsOf(spoken),
    }));
  }

  /** The pairs; a subject's most frequent table is that of any peer. */
  #pairs(): readonly PairEntry[] {
    const about = this.#remembered();
    const pairs: PairEntry[] = [];
    for (const [index, subject] of this.#subjects.values.entries()) {
      const tables = this.#peers.values.map((peer) => this.#table(subject, peer, about));
      const usual = mostFrequent(tables);
      pairs.push({ subject: index + 1, peer: ANY_PEER, table: usual });
      for (const [at, table] of tables.entries())
        if (table !== usual) pairs.push({ subject: index + 1, peer: at + 1, table });
      this.#fits('pairs', pairs.length);
    }
    return pairs;
  }

  #table(subject: Subject, peer: Judged, about: typeof ruleIsAbout): number {
    const { direction } = subject;
    const rules = matched(subject.rules, direction, peer, about);
    const destination = direction === 'egress' ? peer : subject;
    const all = [...rules.admin, ...rules.deny, ...rules.allow, ...rules.baseline];
    const numbers = all.map(({ rule }) => this.#ruleNumbers.get(rule));
    const isolatedBy = rules.isolatedBy && this.#policyNumbers.get(rules.isolatedBy);
    const key = `${numbers} ${isolatedBy} ${rules.isOwnNode} ${destination.ports}`;
    return this.#tables.of(key, () => compilePorts(rules, destination.labels, (one) => this.#decision(one)));
  }

  #decision(decision: Decision): number {
    const { verdict, reason, policy, rule, http } = decision;
    const numbers = [policy && this.#policyNumbers.get(policy), rule && this.#ruleNumbers.get(rule)];
    const judged = http.map((one) => this.#ruleNumbers.get(one.rule));
    return this.#decisions.of(JSON.stringify([verdict, reason, numbers, judged]), () => decision) - 1;
  }

  /** `ruleIsAbout`, which is asked once for each rule and peer. */
  #remembered(): typeof ruleIsAbout {
    const known = new Map<Rule, Map<OtherEnd, boolean>>();
    return (rule, peer) => {
      const ofRule = known.get(rule) ?? new Map<OtherEnd, boolean>();
      known.set(rule, ofRule);
      const is = ofRule.get(peer) ?? ruleIsAbout(rule, peer);
      ofRule.set(peer, is);
      return is;
    };
  }
}

function mostFrequent(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0] as const)[0];
}

/**
 * Makes the tables, or says which of them would not fit: what was in force before should then stay so.
 * @param cache given to each call of a run, so that units are made once
 */
export function compile(
  model: PolicyModel,
  cluster: Cluster,
  bounds: Bounds = BOUNDS,
  cache: UnitCache = new UnitCache(),
): Compiled {
  try {
    return new Compiler(model, cluster, bounds).run(cache);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { reason, message } = error;
    const condition = { kind: 'PolicyTables', namespace: '', name: cluster.node, accepted: false, reason, message };
    return { tables: undefined, condition, conditions: [] };
  }
}
