/**
 * What policies say of a connection where not all labels are known. It is judged twice: as if every rule that may be about
 * the other end allowed what it can, and as if each denied what it can. Where the two agree it is known.
 */
import {
  type Decision,
  decide,
  type Matched,
  matched,
  type RuleOf,
  type Rules,
  rulesFor,
  type Traffic,
} from '../../../collector/src/control/policy/judge.ts';
import { keys } from '../../../collector/src/control/policy/labels.ts';
import type { Direction, Peer, Policy, PolicyModel, Rule } from '../../../collector/src/control/policy/model.ts';
import { covers, keyOfPrefix, type Prefix } from '../../../collector/src/control/policy/prefix.ts';
import { type Labels, type Selector, selects } from '../../../collector/src/control/policy/selector.ts';
import { longestOver, vocabularyOf } from '../../../collector/src/control/policy/vocabulary.ts';
import { isPod, type JudgedEnd, labelsOf } from './ends.ts';
import type { IsUnknown, Knowledge } from './knowledge.ts';

export type Word = 'allowed' | 'denied' | 'unknown';

/** What is said of a connection. */
export interface Judgement {
  readonly word: Word;
  /** The policy that decided, if one did: that which denies, else that which allows. */
  readonly by: DecidedBy | undefined;
  /** HTTP rules of which each request must match one; undefined if requests are not judged. */
  readonly http: readonly RuleOf[] | undefined;
}

export interface DecidedBy {
  readonly direction: Direction;
  readonly policy: Policy | undefined;
  readonly rule: Rule | undefined;
}

const NOT_KNOWN: Judgement = { word: 'unknown', by: undefined, http: undefined };
const NOT_JUDGED: Judgement = { word: 'allowed', by: undefined, http: undefined };

/** How a doubt is decided. */
type Mood = 'hopeful' | 'wary';

interface Subject {
  readonly labels: Labels;
  readonly rules: Rules;
  /** Whether a policy may be about it of which that is not known. */
  readonly isDoubtful: boolean;
}

/** undefined: not known. */
function mayBe(selector: Selector, labels: Labels, isUnknown: IsUnknown): boolean | undefined {
  if (
    !selects(
      selector.filter(({ key }) => !isUnknown(key)),
      labels,
    )
  )
    return false;
  return selector.some(({ key }) => isUnknown(key)) ? undefined : true;
}

/** The rules that are about an other end, in both moods. */
interface Pair extends Readonly<Record<Mood, Matched>> {
  /** Whether a rule that hands on is in doubt, of which neither mood is the better one. */
  readonly isOpen: boolean;
}

interface Other {
  readonly labels: Labels;
  readonly prefix: Prefix;
  readonly isUnknown: IsUnknown;
}

function isPeer(peer: Peer, { labels, prefix, isUnknown }: Other): boolean | undefined {
  if ('labels' in peer) return mayBe(peer.labels, labels, isUnknown);
  if (peer.outside && labels.get('entity') !== 'world') return false;
  return covers(peer.network, prefix) && !peer.except.some((part) => covers(part, prefix));
}

/** Whether a rule is about the other end; undefined: not known. */
function isAbout({ peers }: Rule, other: Other): boolean | undefined {
  if (peers === undefined) return true;
  const each = peers.map((peer) => isPeer(peer, other));
  return each.includes(true) ? true : each.includes(undefined) ? undefined : false;
}

const namesPort = ({ ports = [] }: Rule) => ports.some((match) => 'name' in match);
const isAsked = (policy: Policy, direction: Direction) =>
  policy.isolates[direction] || policy.rules.some((rule) => rule.direction === direction);

export class PolicyJudge {
  readonly #model: PolicyModel;
  readonly #knowledge: Knowledge;
  readonly #vocabulary;
  readonly #subjects = new Map<string, Subject>();
  readonly #pairs = new Map<string, Pair>();
  readonly #decisions = new Map<string, Judgement>();

  constructor(model: PolicyModel, knowledge: Knowledge) {
    this.#model = model;
    this.#knowledge = knowledge;
    this.#vocabulary = vocabularyOf(model);
  }

  /** Whether an address matters, besides being in a family. */
  get asksAddresses(): boolean {
    return this.#vocabulary.lengths.some((length) => length > 0);
  }

  /** @param ends the source sends first */
  judge(ends: { readonly source: JudgedEnd; readonly destination: JudgedEnd }, traffic: Traffic): Judgement {
    const { source, destination } = ends;
    const key = [source, destination]
      .map(({ version, prefix }) => `${version.key} ${keyOfPrefix(longestOver(this.#vocabulary, prefix))}`)
      .concat(`${traffic.protocol} ${traffic.port}`)
      .join('\n');
    // A pod cannot be kept from itself.
    const isItself = source.version.pod !== undefined && source.version.pod.uid === destination.version.pod?.uid;
    if (isItself) return NOT_JUDGED;
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    if (source.version.isUntold || destination.version.isUntold)
      return this.#model.policies.length === 0 ? NOT_JUDGED : NOT_KNOWN;
    const egress = this.#direction('egress', source, destination, traffic);
    const ingress = this.#direction('ingress', destination, source, traffic);
    const judgement = both(egress, ingress);
    this.#decisions.set(key, judgement);
    return judgement;
  }

  #direction(direction: Direction, subject: JudgedEnd, other: JudgedEnd, traffic: Traffic): Judgement {
    const { pod } = subject.version;
    if (pod === undefined) return NOT_JUDGED;
    const { labels, rules, isDoubtful } = this.#subject(direction, subject);
    if (isDoubtful) return NOT_KNOWN;
    const peer: Other = {
      labels: labelsOf(other.version, pod.node, this.#knowledge),
      prefix: longestOver(this.#vocabulary, other.prefix),
      isUnknown: other.version.isUnknown,
    };
    const pairKey = `${direction} ${subject.version.key} ${other.version.key} ${keyOfPrefix(peer.prefix)}`;
    const pair = this.#pairs.get(pairKey) ?? pairOf(rules, direction, peer);
    this.#pairs.set(pairKey, pair);
    if (pair.isOpen) return NOT_KNOWN;
    // It is the destination that gives ports their names.
    const named = direction === 'egress' ? other.version : subject.version;
    const names = direction === 'egress' ? peer.labels : labels;
    const all = [...pair.hopeful.admin, ...pair.hopeful.deny, ...pair.hopeful.allow, ...pair.hopeful.baseline];
    const wary = [...pair.wary.admin, ...pair.wary.deny, ...pair.wary.allow, ...pair.wary.baseline];
    if (isPod(names) && named.isUnknown(keys.port('')) && [...all, ...wary].some(({ rule }) => namesPort(rule)))
      return NOT_KNOWN;
    return agreed(
      told(direction, decide(pair.hopeful, traffic, names)),
      told(direction, decide(pair.wary, traffic, names)),
    );
  }

  #subject(direction: Direction, { version }: JudgedEnd): Subject {
    const key = `${direction} ${version.key}`;
    const known = this.#subjects.get(key);
    if (known !== undefined) return known;
    const labels = labelsOf(version, '', this.#knowledge);
    const asked = this.#model.policies.filter((policy) => isAsked(policy, direction));
    const each = asked.map((policy) => mayBe(policy.subject, labels, version.isUnknown));
    const subject = {
      labels,
      rules: rulesFor(
        asked.filter((_, index) => each[index] === true),
        direction,
      ),
      isDoubtful: each.includes(undefined),
    };
    this.#subjects.set(key, subject);
    return subject;
  }
}

function pairOf(rules: Rules, direction: Direction, peer: Other): Pair {
  const about = (mood: Mood) => (rule: Rule) => {
    const is = isAbout(rule, peer);
    return is ?? (rule.action === 'allow') === (mood === 'hopeful');
  };
  const passes = [...rules.admin, ...rules.baseline].filter(({ rule }) => rule.action === 'pass');
  return {
    isOpen: passes.some(({ rule }) => isAbout(rule, peer) === undefined),
    hopeful: matched(rules, direction, peer, about('hopeful')),
    wary: matched(rules, direction, peer, about('wary')),
  };
}

function told(direction: Direction, { verdict, policy, rule, http }: Decision): Judgement {
  return {
    word: verdict === 'DENIED' ? 'denied' : 'allowed',
    by: policy === undefined ? undefined : { direction, policy, rule },
    http: http.length === 0 ? undefined : http,
  };
}

const sameRules = (a: readonly RuleOf[] | undefined, b: readonly RuleOf[] | undefined): boolean =>
  a?.length === b?.length && (a ?? []).every(({ rule }, index) => rule === b?.[index]?.rule);

const agreed = (hopeful: Judgement, wary: Judgement): Judgement =>
  hopeful.word === wary.word && sameRules(hopeful.http, wary.http)
    ? wary
    : { word: 'unknown', by: wary.by, http: undefined };

/** Both directions must allow. Requests are judged where they come in. */
function both(egress: Judgement, ingress: Judgement): Judgement {
  const denied = [egress, ingress].find(({ word }) => word === 'denied');
  if (denied !== undefined) return denied;
  const unknown = [egress, ingress].find(({ word }) => word === 'unknown');
  if (unknown !== undefined) return unknown;
  return { word: 'allowed', by: ingress.by ?? egress.by, http: ingress.http };
}
