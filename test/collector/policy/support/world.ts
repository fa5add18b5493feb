/** The cluster of the conformance tests: namespaces x, y, z with pods a, b, c each, one node for each letter of a pod. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import type { End, NamedPort, Node, Pod } from '../../../../collector/src/control/policy/endpoints.ts';
import { type Mode, modelOf, type PolicyModel, PROTOCOLS } from '../../../../collector/src/control/policy/model.ts';
import { type Address, readAddress } from '../../../../collector/src/control/policy/prefix.ts';
import { readPolicy } from '../../../../collector/src/control/policy/read_policy.ts';
import { verdict } from '../../../../collector/src/control/policy/verdict.ts';

export const NAMESPACES = ['x', 'y', 'z'];
export const LETTERS = ['a', 'b', 'c'];
const { TCP, UDP } = PROTOCOLS;

const PORTS: readonly NamedPort[] = [
  { name: 'serve-80-tcp', protocol: TCP, port: 80 },
  { name: 'serve-81-tcp', protocol: TCP, port: 81 },
  { name: 'serve-80-udp', protocol: UDP, port: 80 },
  { name: 'serve', protocol: TCP, port: 8080 },
];

export function address(text: string): Address {
  const read = readAddress(text);
  assert.ok(read !== undefined, text);
  return read;
}

export function nodeOf(letter: string): Node {
  const place = LETTERS.indexOf(letter) + 1;
  const labels = new Map([['node', letter]]);
  return { name: `node-${letter}`, labels, addresses: [address(`192.168.0.${place}`), address(`fd00:a::${place}`)] };
}

/** A pod `x/a`: label `pod: a`, namespace label `ns: x`, address 10.0.<namespace>.<pod> and fd00::<namespace>:<pod>. */
export function podOf(name: string, more: Partial<Pod> = {}): Pod {
  const [namespace = '', letter = ''] = name.split('/');
  const [net, host] = [NAMESPACES.indexOf(namespace) + 1, LETTERS.indexOf(letter) + 1];
  return {
    uid: name,
    namespace,
    namespaceLabels: new Map([['ns', namespace]]),
    labels: new Map([['pod', letter]]),
    serviceAccount: letter,
    ports: PORTS,
    node: `node-${letter}`,
    hostNetwork: false,
    addresses: [address(`10.0.${net}.${host}`), address(`fd00::${net}:${host}`)],
    ...more,
  };
}

export const PODS: ReadonlyMap<string, Pod> = new Map(
  NAMESPACES.flatMap((namespace) => LETTERS.map((letter) => `${namespace}/${letter}`)).map((name) => [
    name,
    podOf(name),
  ]),
);

/** `x/a`, `node-a`, or an address outside. @param family of the pod's or node's address */
export function end(name: string, family: 4 | 6 = 4, pods: ReadonlyMap<string, Pod> = PODS): End {
  const pod = pods.get(name);
  const mine = (addresses: readonly Address[]) => addresses.find((one) => one.family === family) as Address;
  if (pod !== undefined) return { pod, address: mine(pod.addresses) };
  if (!name.startsWith('node-')) return { address: address(name) };
  const node = nodeOf(name.slice(-1));
  return { node, address: mine(node.addresses) };
}

/** The model of YAML documents, all of which must be accepted. */
export function model(
  yaml: string,
  mode: Mode = 'enforce',
  namespaces: ReadonlyMap<string, Mode> = new Map(),
): PolicyModel {
  const policies = parseAllDocuments(yaml).flatMap((document) => {
    const { condition, policies: read } = readPolicy(document.toJS());
    assert.equal(condition.accepted, true, condition.message);
    return read;
  });
  return modelOf(policies, { mode, namespaces });
}

export interface Row {
  readonly from: string;
  readonly to: string;
  /** `80`, `80/UDP`, `0/1` for ICMP. Default: 80 of TCP. */
  readonly port?: string;
  readonly family?: 4 | 6;
}

export function connection({ from, to, port = '80', family = 4 }: Row, pods = PODS) {
  const [number = '', protocol = 'TCP'] = port.split('/');
  const named = Object.hasOwn(PROTOCOLS, protocol) ? PROTOCOLS[protocol as keyof typeof PROTOCOLS] : Number(protocol);
  return { source: end(from, family, pods), destination: end(to, family, pods), protocol: named, port: Number(number) };
}

/** Verdict of a row, the reason of the deciding direction, and its policy and rule. */
export function judged(of: PolicyModel, row: Row, pods = PODS): string {
  const { verdict: word, decidedBy, ...directions } = verdict(of, connection(row, pods));
  const { reason, policy, path, tier } = directions[decidedBy];
  return [word, decidedBy, reason, tier, policy?.name, path].filter((part) => part !== undefined).join(' ');
}

export function isAllowed(of: PolicyModel, row: Row, pods = PODS): boolean {
  return ['ALLOWED', 'NO_POLICY'].includes(verdict(of, connection(row, pods)).verdict);
}

/** Names of the pods, besides itself, that reach one or that one reaches. */
export function reaching(of: PolicyModel, to: string, port = '80', pods = PODS): string {
  return [...pods.keys()].filter((from) => isAllowed(of, { from, to, port }, pods)).join(' ');
}

export function reached(of: PolicyModel, from: string, port = '80', pods = PODS): string {
  return [...pods.keys()].filter((to) => isAllowed(of, { from, to, port }, pods)).join(' ');
}
