/**
 * ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2: the administrator's rules before and after those of the
 * namespaces. The first that matches decides; Pass hands on to the next tier.
 */
import type { Field } from './field.ts';
import { PORTS, portName, prefixOf, selectorOf } from './fields.ts';
import { entityIn, labelsOf, PODS } from './labels.ts';
import type { Action, Direction, Peer, Policy, PolicyName, PortMatch, Rule } from './model.ts';
import { PROTOCOLS } from './model.ts';
import type { Selector } from './selector.ts';

/** Most items of every list, as its API bounds them. */
const MOST = 25;
const ACTIONS = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const satisfies Record<string, Action>;
const TIERS = { Admin: 'admin', Baseline: 'baseline' } as const;
const PEERS = { ingress: 'from', egress: 'to' } as const;
const BY_PROTOCOL = { tcp: PROTOCOLS.TCP, udp: PROTOCOLS.UDP, sctp: PROTOCOLS.SCTP } as const;

/** The one field that is set of those that exclude each other. */
function onlyOf<Name extends string>(field: Field, names: readonly Name[]): Name {
  const [set, ...more] = names.filter((name) => !field.at(name).isMissing);
  if (set !== undefined && more.length === 0) return set;
  return field.refuse('BadValue', `exactly one of ${names.join(', ')} must be set`, 'set one');
}

/** A list that has at least one item where it is there. */
function someOf(field: Field): readonly Field[] {
  const items = field.list(MOST);
  return items.length > 0 ? items : field.refuse('MissingField', 'it must have at least one item', 'add one');
}

function podsIn(field: Field): Selector {
  const set = onlyOf(field, ['namespaces', 'pods']);
  if (set === 'namespaces') return [...PODS, ...selectorOf(field.at(set), labelsOf('namespace'))];
  const pods = field.at(set).hasOnly('namespaceSelector', 'podSelector');
  const selector = pods.at('podSelector');
  if (selector.isMissing) selector.refuse('MissingField', 'it says which pods are meant', 'write {} for all');
  return [
    ...PODS,
    ...selectorOf(pods.at('namespaceSelector'), labelsOf('namespace')),
    ...selectorOf(selector, labelsOf('pod')),
  ];
}

function peersOf(field: Field, direction: Direction): readonly Peer[] {
  if (direction === 'ingress') return [{ labels: podsIn(field.hasOnly('namespaces', 'pods')) }];
  const names = ['namespaces', 'pods', 'nodes', 'networks'] as const;
  field.hasOnly(...names, 'domainNames');
  field.hasNone('DomainNamesUnsupported', ['domainNames'], 'name the networks, or leave the names to a proxy');
  const set = onlyOf(field, names);
  if (set === 'networks')
    return someOf(field.at(set)).map((item) => ({ network: prefixOf(item), except: [], outside: false }));
  if (set === 'nodes') {
    const nodes = [entityIn('host', 'remote-node'), ...selectorOf(field.at(set), labelsOf('node'))];
    return [{ labels: nodes }];
  }
  return [{ labels: podsIn(field) }];
}

function portOf(field: Field): PortMatch {
  const protocol = onlyOf(field.hasOnly('tcp', 'udp', 'sctp', 'destinationNamedPort'), [
    'tcp',
    'udp',
    'sctp',
    'destinationNamedPort',
  ]);
  if (protocol === 'destinationNamedPort') return { protocol: undefined, name: portName(field.at(protocol)) };
  const port = field.at(protocol).hasOnly('destinationPort').at('destinationPort').hasOnly('number', 'range');
  if (port.isMissing) field.at(protocol).refuse('MissingField', 'a protocol must say its destinationPort', 'add it');
  if (onlyOf(port, ['number', 'range']) === 'number') {
    const from = port.at('number').whole(1, PORTS);
    return { protocol: BY_PROTOCOL[protocol], from, to: from };
  }
  const range = port.at('range').hasOnly('start', 'end');
  const from = range.at('start').whole(1, PORTS - 1);
  return { protocol: BY_PROTOCOL[protocol], from, to: range.at('end').whole(from + 1, PORTS) };
}

function ruleOf(field: Field, direction: Direction, index: number): Rule {
  field.hasOnly('name', 'action', 'protocols', PEERS[direction]);
  field.at('name').optionalText(100);
  const action = ACTIONS[field.at('action').oneOf(['Accept', 'Deny', 'Pass'])];
  const fields = someOf(field.at(PEERS[direction]));
  const peers = fields.flatMap((peer) => peersOf(peer, direction));
  const ports = field.at('protocols').isMissing ? undefined : someOf(field.at('protocols')).map(portOf);
  const isNamed = ports?.some((port) => 'name' in port) ?? false;
  if (isNamed && fields.some((peer) => !peer.at('networks').isMissing || !peer.at('nodes').isMissing))
    field.refuse('BadPort', 'networks and nodes have no ports by name', 'give the ports by number, or split the rule');
  return { direction, action, index, path: field.path, peers, ports, http: undefined };
}

/** Reads the spec. @throws Refusal */
export function readClusterNetworkPolicy(object: Field, name: PolicyName): readonly Policy[] {
  const spec = object.at('spec').hasOnly('tier', 'priority', 'subject', 'ingress', 'egress');
  const tier = TIERS[spec.at('tier').oneOf(['Admin', 'Baseline'])];
  const priority = spec.at('priority').whole(0, 1000);
  const subject = podsIn(spec.at('subject').hasOnly('namespaces', 'pods'));
  const rulesOf = (direction: Direction) =>
    spec
      .at(direction)
      .list(MOST)
      .map((rule, index) => ruleOf(rule, direction, index));
  const rules = [...rulesOf('ingress'), ...rulesOf('egress')];
  return [{ ...name, tier, priority, subject, isolates: { ingress: false, egress: false }, rules }];
}
