/**
 * The verdict on a new connection (or the first datagram of a UDP flow). Both directions must allow: egress is judged
 * at the source, ingress at the destination, each where that end is a pod. Replies and all that follows belong to the
 * connection and are not judged again.
 */
import { type End, labelsOfPod, peerOf } from './endpoints.ts';
import {
  type Decision,
  decide,
  matched,
  policiesFor,
  type Reason,
  type RuleOf,
  rulesFor,
  type Traffic,
} from './judge.ts';
import type { Direction, PolicyModel, PolicyName, Tier } from './model.ts';
import { type Address, holds, LOOPBACK } from './prefix.ts';

/** AUDITED: it would be denied, and is let through. */
export type Verdict = 'ALLOWED' | 'DENIED' | 'AUDITED' | 'NO_POLICY';

export interface Connection extends Traffic {
  /** Who sends first. */
  readonly source: End;
  readonly destination: End;
}

export interface DirectionVerdict {
  readonly verdict: Verdict;
  /**
   * Besides those of the rules: this end is no pod; it is one that has its node's network, which no policy is about;
   * a pod speaks with itself, which none can forbid; its namespace is only observed.
   */
  readonly reason: Reason | 'not_a_pod' | 'host_network' | 'itself' | 'observed';
  readonly tier: Tier | undefined;
  readonly policy: PolicyName | undefined;
  /** Place of the rule in the list of its manifest, from 0; undefined if none decided. */
  readonly rule: number | undefined;
  /** Where the rule stands in its manifest. */
  readonly path: string | undefined;
  /** Each request must match one of these rules, or none is left to judge. */
  readonly http: readonly RuleOf[];
}

export interface ConnectionVerdict {
  readonly verdict: Verdict;
  /** The direction that it is for: the one that denies, else one that has a policy. */
  readonly decidedBy: Direction;
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
}

type Unjudged = Exclude<DirectionVerdict['reason'], Reason>;

function unjudged(reason: Unjudged): DirectionVerdict {
  const none = { tier: undefined, policy: undefined, rule: undefined, path: undefined };
  return { verdict: 'NO_POLICY', reason, ...none, http: [] };
}

function told({ verdict, reason, tier, policy, rule, http }: Decision, isAudited: boolean): DirectionVerdict {
  const name = policy && { kind: policy.kind, namespace: policy.namespace, name: policy.name };
  const isDenied = verdict === 'DENIED' && isAudited;
  return {
    ...{ verdict: isDenied ? 'AUDITED' : verdict, reason, tier, http },
    ...{ policy: name, rule: rule?.index, path: rule?.path },
  };
}

/** Whether both ends are one pod. A loopback address is whoever's the other end is. */
function isItself({ pod, address }: End, other: End): boolean {
  const isOwn = (one: Address) => LOOPBACK.some((prefix) => holds(prefix, one)) || pod?.addresses.some(isSame(one));
  return isSame(address)(other.address) || (isOwn(address) === true && isOwn(other.address) === true);
}

const isSame = (a: Address) => (b: Address) => a.family === b.family && a.bits === b.bits;

/** The verdict of one direction. */
export function verdictOf(model: PolicyModel, direction: Direction, connection: Connection): DirectionVerdict {
  const { source, destination } = connection;
  const [subject, other] = direction === 'egress' ? [source, destination] : [destination, source];
  const { pod } = subject;
  if (pod === undefined) return unjudged('not_a_pod');
  if (pod.hostNetwork) return unjudged('host_network');
  if (isItself(subject, other)) return unjudged('itself');
  const mode = model.modeOf(pod.namespace);
  if (mode === 'observe') return unjudged('observed');
  const labels = labelsOfPod(pod);
  const peer = peerOf(other, pod.node);
  const policies = policiesFor(model, labels, direction);
  const rules = matched(rulesFor(policies, direction), direction, peer);
  return told(decide(rules, connection, direction === 'egress' ? peer.labels : labels), mode === 'audit');
}

/** Worst first. */
const ORDER: readonly Verdict[] = ['DENIED', 'AUDITED', 'ALLOWED', 'NO_POLICY'];

/** The verdict of both directions. */
export function verdict(model: PolicyModel, connection: Connection): ConnectionVerdict {
  const egress = verdictOf(model, 'egress', connection);
  const ingress = verdictOf(model, 'ingress', connection);
  const decidedBy = ORDER.indexOf(ingress.verdict) < ORDER.indexOf(egress.verdict) ? 'ingress' : 'egress';
  return { verdict: (decidedBy === 'ingress' ? ingress : egress).verdict, decidedBy, egress, ingress };
}
