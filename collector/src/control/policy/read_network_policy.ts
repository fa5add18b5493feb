/** NetworkPolicy of networking.k8s.io/v1: what it allows adds up; a pod that one selects is isolated. */
import type { Field } from './field.ts';
import { exceptOf, MOST, PORTS, portName, prefixOf, protocolOf, selectorOf } from './fields.ts';
import { labelsOf, PODS, podsOf } from './labels.ts';
import type { Direction, Peer, Policy, PolicyName, PortMatch, Rule } from './model.ts';
import { PROTOCOLS } from './model.ts';

const SECTIONS = {
  ingress: { type: 'Ingress', peers: 'from' },
  egress: { type: 'Egress', peers: 'to' },
} as const;

function peerOf(field: Field, namespace: string): Peer {
  field.hasOnly('podSelector', 'namespaceSelector', 'ipBlock');
  const [pods, namespaces, block] = [field.at('podSelector'), field.at('namespaceSelector'), field.at('ipBlock')];
  const isLabelled = !pods.isMissing || !namespaces.isMissing;
  if (isLabelled !== block.isMissing)
    field.refuse('BadPeer', 'a peer is either an ipBlock or selectors', 'write one of both; two peers for either');
  if (!block.isMissing) {
    const network = prefixOf(block.hasOnly('cidr', 'except').at('cidr'));
    return { network, except: exceptOf(block.at('except'), network), outside: false };
  }
  const where = namespaces.isMissing ? podsOf(namespace) : [...PODS, ...selectorOf(namespaces, labelsOf('namespace'))];
  return { labels: [...where, ...selectorOf(pods, labelsOf('pod'))] };
}

function portOf(field: Field): PortMatch {
  field.hasOnly('protocol', 'port', 'endPort');
  const [port, end] = [field.at('port'), field.at('endPort')];
  const protocol = field.at('protocol').isMissing ? PROTOCOLS.TCP : protocolOf(field.at('protocol'));
  if (!end.isMissing && !port.isNumber)
    end.refuse('BadPort', 'it ends a range that begins with no number', 'give the port as a number');
  if (port.isMissing) return { protocol, from: 0, to: PORTS };
  if (!port.isNumber) return { protocol, name: portName(port) };
  const from = port.whole(1, PORTS);
  return { protocol, from, to: end.isMissing ? from : end.whole(from, PORTS) };
}

function ruleOf(field: Field, direction: Direction, index: number, namespace: string): Rule {
  const peersAt = SECTIONS[direction].peers;
  field.hasOnly('ports', peersAt);
  const peers = field.at(peersAt).list(MOST.peers);
  const ports = field.at('ports').list(MOST.ports);
  return {
    ...{ direction, action: 'allow', index, path: field.path, http: undefined },
    peers: peers.length === 0 ? undefined : peers.map((peer) => peerOf(peer, namespace)),
    ports: ports.length === 0 ? undefined : ports.map(portOf),
  };
}

/** Reads the spec. @throws Refusal */
export function readNetworkPolicy(object: Field, name: PolicyName): readonly Policy[] {
  const spec = object.at('spec').hasOnly('podSelector', 'policyTypes', 'ingress', 'egress');
  const { namespace } = name;
  const told = spec
    .at('policyTypes')
    .list(2)
    .map((type) => type.oneOf(['Ingress', 'Egress']));
  const isolates = {
    ingress: told.length === 0 || told.includes('Ingress'),
    egress: told.length === 0 ? spec.at('egress').list(MOST.rules).length > 0 : told.includes('Egress'),
  };
  const rulesOf = (direction: Direction) =>
    spec
      .at(direction)
      .list(MOST.rules)
      .map((rule, index) => ruleOf(rule, direction, index, namespace))
      .filter(() => isolates[direction]);
  const subject = [...podsOf(namespace), ...selectorOf(spec.at('podSelector'), labelsOf('pod'))];
  const rules = [...rulesOf('ingress'), ...rulesOf('egress')];
  return [{ ...name, tier: 'namespace', priority: 0, subject, isolates, rules }];
}
