/**
 * One model for every kind of policy: what NetworkPolicy, CiliumNetworkPolicy and ClusterNetworkPolicy say becomes
 * ordered tiers of rules over label sets, addresses and ports. verdict.ts judges by it, compile.ts makes tables of it.
 */
import type { Prefix } from './prefix.ts';
import type { Selector } from './selector.ts';

/** The first tier that decides is final. */
export const TIERS = ['admin', 'namespace', 'baseline'] as const;
export type Tier = (typeof TIERS)[number];

/** As seen at the subject, a pod: what comes to it and what leaves it. */
export const DIRECTIONS = ['ingress', 'egress'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/**
 * In the tiers admin and baseline the first rule that matches decides, and `pass` hands on to the next tier. In the
 * tier namespace rules add up: a `deny` that matches wins, then an `allow`; `pass` does not occur.
 */
export type Action = 'allow' | 'deny' | 'pass';

export type PolicyKind =
  | 'NetworkPolicy'
  | 'CiliumNetworkPolicy'
  | 'CiliumClusterwideNetworkPolicy'
  | 'ClusterNetworkPolicy';

/** Numbers of protocols, as in the IP header. */
export const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132 } as const;

/** The other end, by its label set. */
export interface LabelledPeer {
  readonly labels: Selector;
}

/** The other end, by its address. */
export interface NetworkPeer {
  readonly network: Prefix;
  /** Parts of the network that do not count. */
  readonly except: readonly Prefix[];
  /** Only what is outside the cluster counts, neither pods nor nodes. */
  readonly outside: boolean;
}

export type Peer = LabelledPeer | NetworkPeer;

/** A range of destination ports, both ends included; without protocol any of them. */
export interface PortRange {
  readonly protocol: number | undefined;
  /** 0 to 65535. */
  readonly from: number;
  readonly to: number;
}

/** A port that the destination pod gives a name. */
export interface NamedPortMatch {
  readonly protocol: number | undefined;
  readonly name: string;
}

export type PortMatch = PortRange | NamedPortMatch;

export interface HeaderMatch {
  readonly name: string;
  /** The exact value; undefined: any, but the header must be there. */
  readonly value: string | undefined;
}

/** What a request must be like; a pattern that is undefined matches every request. All patterns match in full. */
export interface HttpRule {
  /** Extended regular expressions. */
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly host: string | undefined;
  readonly headers: readonly HeaderMatch[];
}

export interface Rule {
  readonly direction: Direction;
  readonly action: Action;
  /** Place in the list of its manifest, from 0. */
  readonly index: number;
  /** Where it stands in its manifest, as `spec.ingress[0].toPorts[1]`. */
  readonly path: string;
  /** The other ends it is about: any of them; undefined is whoever it is, an empty list nobody. */
  readonly peers: readonly Peer[] | undefined;
  /** Any of them; undefined is all traffic, also of protocols without ports. */
  readonly ports: readonly PortMatch[] | undefined;
  /** A request must match one of them; undefined: requests are not judged. Only with `allow`. */
  readonly http: readonly HttpRule[] | undefined;
}

export interface PolicyName {
  readonly kind: PolicyKind;
  /** Empty if it is the cluster's. */
  readonly namespace: string;
  readonly name: string;
}

export interface Policy extends PolicyName {
  readonly tier: Tier;
  /** 0 to 1000 in the tiers admin and baseline, lower first; 0 in the tier namespace. */
  readonly priority: number;
  /** The pods it is about. */
  readonly subject: Selector;
  /** Directions in which what no rule allows is denied. Only in the tier namespace. */
  readonly isolates: Readonly<Record<Direction, boolean>>;
  readonly rules: readonly Rule[];
}

/** What is done with verdicts on the pods of a namespace: nothing, told, or carried out. */
export type Mode = 'observe' | 'audit' | 'enforce';

export interface PolicyModel {
  /** In the order in which they are asked. */
  readonly policies: readonly Policy[];
  modeOf(namespace: string): Mode;
}

/** Modes of the policy step: one for all namespaces but those that are named. */
export interface Modes {
  readonly mode: Mode;
  readonly namespaces: ReadonlyMap<string, Mode>;
}

const text = (a: string, b: string) => Number(a > b) - Number(a < b);

/** The order of policies: where the specifications leave it open it is by name, the same on every node. */
function order(a: Policy, b: Policy): number {
  return (
    TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) ||
    a.priority - b.priority ||
    text(a.kind, b.kind) ||
    text(a.namespace, b.namespace) ||
    text(a.name, b.name)
  );
}

/** The model of some policies; those of one manifest stay in their order. */
export function modelOf(policies: readonly Policy[], { mode, namespaces }: Modes): PolicyModel {
  return { policies: policies.toSorted(order), modeOf: (namespace) => namespaces.get(namespace) ?? mode };
}
