/** The rules themselves: which of them are about an end, and what they say of its traffic. */
import { type OtherEnd, portsNamed } from './endpoints.ts';
import { ENTITY } from './labels.ts';
import {
  type Direction,
  type Peer,
  type Policy,
  type PolicyModel,
  type PortMatch,
  PROTOCOLS,
  type Rule,
  type Tier,
} from './model.ts';
import { covers } from './prefix.ts';
import { type Labels, selects } from './selector.ts';

/** A rule and the policy it is of. */
export interface RuleOf {
  readonly policy: Policy;
  readonly rule: Rule;
}

/** What traffic is judged by, besides its two ends. */
export interface Traffic {
  /** As in the IP header. */
  readonly protocol: number;
  /** Of the destination; 0 for a protocol that has none. */
  readonly port: number;
}

/** The rules of the policies that are about a pod, for one direction, in the order they are asked. */
export interface Rules {
  readonly admin: readonly RuleOf[];
  readonly deny: readonly RuleOf[];
  readonly allow: readonly RuleOf[];
  /** The first policy that isolates the pod. */
  readonly isolatedBy: Policy | undefined;
  readonly baseline: readonly RuleOf[];
}

/** Those of them that are about one other end. */
export interface Matched extends Rules {
  /** The other end is the pod's own node, which is always allowed in. */
  readonly isOwnNode: boolean;
}

/**
 * Why traffic is judged so: a rule; isolation without a rule that allows; it comes from the pod's own node; no policy
 * is about it.
 */
export type Reason = 'rule' | 'isolated' | 'own_node' | 'no_policy';

export interface Decision {
  readonly verdict: 'ALLOWED' | 'DENIED' | 'NO_POLICY';
  readonly reason: Reason;
  readonly tier: Tier | undefined;
  /** The rule's, or the one that isolates. */
  readonly policy: Policy | undefined;
  readonly rule: Rule | undefined;
  /** Rules that allow only certain requests: each request must match one of them. Empty: nothing is left to judge. */
  readonly http: readonly RuleOf[];
}

const NO_POLICY: Decision = {
  ...{ verdict: 'NO_POLICY', reason: 'no_policy', http: [] },
  ...{ tier: undefined, policy: undefined, rule: undefined },
};

const isPort = (protocol: number) => (Object.values(PROTOCOLS) as number[]).includes(protocol);

/** The policies that are about a pod's traffic in a direction. */
export function policiesFor(model: PolicyModel, subject: Labels, direction: Direction): readonly Policy[] {
  return model.policies.filter(
    ({ isolates, rules, subject: selector }) =>
      (isolates[direction] || rules.some((rule) => rule.direction === direction)) && selects(selector, subject),
  );
}

/** @param policies as `policiesFor` gives them */
export function rulesFor(policies: readonly Policy[], direction: Direction): Rules {
  const rulesIn = (tier: Tier): readonly RuleOf[] =>
    policies
      .filter((policy) => policy.tier === tier)
      .flatMap((policy) => policy.rules.map((rule) => ({ policy, rule })))
      .filter(({ rule }) => rule.direction === direction);
  const added = Map.groupBy(rulesIn('namespace'), ({ rule }) => rule.action);
  return {
    admin: rulesIn('admin'),
    deny: added.get('deny') ?? [],
    allow: added.get('allow') ?? [],
    isolatedBy: policies.find(({ isolates }) => isolates[direction]),
    baseline: rulesIn('baseline'),
  };
}

function isAbout(peer: Peer, { labels, prefix }: OtherEnd): boolean {
  if ('labels' in peer) return selects(peer.labels, labels);
  if (peer.outside && labels.get(ENTITY) !== 'world') return false;
  return covers(peer.network, prefix) && !peer.except.some((part) => covers(part, prefix));
}

/** Whether a rule is about an end. */
export function ruleIsAbout({ peers }: Rule, end: OtherEnd): boolean {
  return peers === undefined || peers.some((peer) => isAbout(peer, end));
}

/** Those rules that are about an end. @param about whether a rule is, if that is known already */
export function matched(rules: Rules, direction: Direction, end: OtherEnd, about = ruleIsAbout): Matched {
  const { admin, deny, allow, isolatedBy, baseline } = rules;
  const isOf = ({ rule }: RuleOf) => about(rule, end);
  return {
    ...{ admin: admin.filter(isOf), deny: deny.filter(isOf), allow: allow.filter(isOf), isolatedBy },
    baseline: baseline.filter(isOf),
    isOwnNode: direction === 'ingress' && end.labels.get(ENTITY) === 'host',
  };
}

/** Numbers of ports that a match means at a destination. @param destination label set that gives ports their names */
export function rangesOf(
  match: PortMatch,
  destination: Labels,
): readonly { protocol: number; from: number; to: number }[] {
  if ('name' in match)
    return portsNamed(destination, match.name, match.protocol).map(({ protocol, port }) => ({
      protocol,
      from: port,
      to: port,
    }));
  const { protocol, from, to } = match;
  const protocols = protocol === undefined ? Object.values(PROTOCOLS) : [protocol];
  return protocols.map((number) => ({ protocol: number, from, to }));
}

function takes({ ports }: Rule, { protocol, port }: Traffic, destination: Labels): boolean {
  if (ports === undefined) return true;
  if (!isPort(protocol)) return false;
  return ports.some((match) =>
    rangesOf(match, destination).some((range) => range.protocol === protocol && range.from <= port && port <= range.to),
  );
}

function decided({ policy, rule }: RuleOf, http: readonly RuleOf[] = []): Decision {
  const verdict = rule.action === 'deny' ? 'DENIED' : 'ALLOWED';
  return { verdict, reason: 'rule', tier: policy.tier, policy, rule, http };
}

/** Asks the rules of one tier in which the first that matches decides; undefined hands on. */
function first(rules: readonly RuleOf[], isTaken: (one: RuleOf) => boolean): Decision | undefined {
  const found = rules.find(isTaken);
  return found === undefined || found.rule.action === 'pass' ? undefined : decided(found);
}

/** Asks the namespaces' own policies: denied, allowed, or isolated; undefined if none of this is said. */
function added(
  { deny, allow, isolatedBy, isOwnNode }: Matched,
  isTaken: (one: RuleOf) => boolean,
): Decision | undefined {
  const denied = deny.find(isTaken);
  if (denied !== undefined) return decided(denied);
  const allowed = allow.filter(isTaken);
  const whole = allowed.find(({ rule }) => rule.http === undefined);
  if (whole !== undefined) return decided(whole);
  const [some] = allowed;
  const tier = 'namespace';
  if (isOwnNode && (some !== undefined || isolatedBy !== undefined))
    return { ...NO_POLICY, verdict: 'ALLOWED', reason: 'own_node', tier };
  if (some !== undefined) return decided(some, allowed);
  return isolatedBy && { ...NO_POLICY, verdict: 'DENIED', reason: 'isolated', tier, policy: isolatedBy };
}

/**
 * What the rules say of new traffic in one direction.
 * @param destination label set that gives ports their names: the subject's for ingress, the other end's for egress
 */
export function decide(rules: Matched, traffic: Traffic, destination: Labels): Decision {
  const isTaken = ({ rule }: RuleOf) => takes(rule, traffic, destination);
  return first(rules.admin, isTaken) ?? added(rules, isTaken) ?? first(rules.baseline, isTaken) ?? NO_POLICY;
}
