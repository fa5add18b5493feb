/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2. What they allow adds up with NetworkPolicies;
 * what one of them denies no other allows.
 */
import type { Field } from './field.ts';
import { MOST, PORTS, portName } from './fields.ts';
import type { Direction, HttpRule, Policy, PolicyName, PortMatch, Rule } from './model.ts';
import { DIRECTIONS, PROTOCOLS } from './model.ts';
import { httpOf } from './read_cilium_http.ts';
import { ciliumPeers, ciliumSubject, peerFields } from './read_cilium_peers.ts';

const SECTIONS = {
  ingress: { allow: 'ingress', deny: 'ingressDeny' },
  egress: { allow: 'egress', deny: 'egressDeny' },
} as const;
/** Most ports of an entry, as its API bounds them. */
const MOST_PORTS = 40;
const NUMBER = /^[0-9]{1,5}$/;
const TLS = ['terminatingTLS', 'originatingTLS', 'serverNames', 'listener'];

interface PortEntry {
  readonly path: string;
  readonly ports: readonly PortMatch[];
  readonly http: readonly HttpRule[] | undefined;
}

function protocolOf(field: Field): number | undefined {
  if (field.isMissing) return undefined;
  const word = field.optionalText(16)?.toUpperCase() ?? 'ANY';
  if (word === 'ANY') return undefined;
  const number = Object.hasOwn(PROTOCOLS, word) ? Reflect.get(PROTOCOLS, word) : undefined;
  if (typeof number === 'number') return number;
  return field.refuse('ProtocolUnsupported', `${word} has no ports that are judged here`, 'use TCP, UDP, SCTP or ANY');
}

function portOf(field: Field): PortMatch {
  field.hasOnly('port', 'endPort', 'protocol');
  const protocol = protocolOf(field.at('protocol'));
  const [port, end] = [field.at('port'), field.at('endPort')];
  const written = port.text(15);
  // An end of 0 is none.
  const last = end.isMissing ? 0 : end.whole(0, PORTS);
  if (!NUMBER.test(written)) {
    if (last !== 0) end.refuse('BadPort', 'it ends a range that begins with no number', 'give the port as a number');
    return { protocol, name: portName(port) };
  }
  const from = Number(written);
  if (from > PORTS) port.refuse('BadPort', `${from} is no port`, `use 0 to ${PORTS}`);
  if (from === 0) {
    if (last !== 0) end.refuse('BadPort', 'port 0 is every port and begins no range', 'begin at 1');
    return { protocol, from: 0, to: PORTS };
  }
  if (last !== 0 && last < from) end.refuse('BadPort', 'the range ends before it begins', 'correct it');
  return { protocol, from, to: last === 0 ? from : last };
}

/** A protocol without a number is every one that has ports, not ICMP. */
function withProtocols(port: PortMatch): readonly PortMatch[] {
  if (port.protocol !== undefined) return [port];
  return Object.values(PROTOCOLS).map((protocol) => ({ ...port, protocol }));
}

function portEntryOf(field: Field, isDeny: boolean): PortEntry {
  field.hasOnly('ports', 'rules', ...TLS);
  field.hasNone('TlsUnsupported', TLS, 'nothing is taken apart or handed to a proxy here; take it out');
  const list = field.at('ports').list(MOST_PORTS);
  if (list.length === 0) field.at('ports').refuse('MissingField', 'it must have at least one port', 'add one');
  const rules = field.at('rules');
  if (isDeny && !rules.isMissing)
    rules.refuse('DenyWithHttp', 'a deny rule judges no requests', 'deny the ports, or allow the other requests');
  const http = httpOf(rules);
  const read = list.map(portOf);
  if (http !== undefined)
    for (const [index, port] of read.entries()) {
      const isEvery = 'from' in port && port.from === 0;
      if (port.protocol === PROTOCOLS.TCP && !isEvery) continue;
      list[index]?.refuse('BadPort', 'HTTP rules need the protocol TCP and a port', 'write both');
    }
  return { path: field.path, ports: read.flatMap(withProtocols), http };
}

function rulesOf(
  field: Field,
  direction: Direction,
  action: 'allow' | 'deny',
  index: number,
  name: PolicyName,
): Rule[] {
  field.hasOnly('toPorts', 'icmps', 'authentication', ...peerFields(direction));
  field.hasNone('IcmpUnsupported', ['icmps'], 'ICMP is not judged; take it out');
  field.hasNone('AuthenticationUnsupported', ['authentication'], 'no peer is authenticated here; take it out');
  const peers = ciliumPeers(field, direction, name);
  const entries = field
    .at('toPorts')
    .list(MOST.ports)
    .map((entry) => portEntryOf(entry, action === 'deny'));
  const rule = { direction, action, index, peers };
  if (entries.length > 0) return entries.map(({ path, ports, http }) => ({ ...rule, path, ports, http }));
  if (peers !== undefined) return [{ ...rule, path: field.path, ports: undefined, http: undefined }];
  if (action === 'deny')
    field.refuse(
      'EmptyDenyRule',
      'a deny rule without peers and ports denies nothing',
      'name whom it denies, as fromEntities: [all]',
    );
  // Says nothing but that its direction is spoken of.
  return [];
}

function policyOf(spec: Field, name: PolicyName): Policy {
  const sections = DIRECTIONS.flatMap((direction) => Object.values(SECTIONS[direction]));
  spec.hasOnly('endpointSelector', 'nodeSelector', 'enableDefaultDeny', 'labels', 'description', 'log', ...sections);
  spec.hasNone('HostPolicyUnsupported', ['nodeSelector'], "nodes' own traffic is not judged; use endpointSelector");
  const selector = spec.at('endpointSelector');
  if (selector.isMissing) selector.refuse('MissingField', 'it says which pods are meant', 'write {} for all');
  const deny = spec.at('enableDefaultDeny').hasOnly(...DIRECTIONS);
  const isolates = (direction: Direction) => {
    const { allow, deny: denied } = SECTIONS[direction];
    const isSpokenOf = spec.at(allow).list(MOST.rules).length + spec.at(denied).list(MOST.rules).length > 0;
    return deny.at(direction).flag(isSpokenOf);
  };
  const rules = DIRECTIONS.flatMap((direction) =>
    (['deny', 'allow'] as const).flatMap((action) =>
      spec
        .at(SECTIONS[direction][action])
        .list(MOST.rules)
        .flatMap((rule, index) => rulesOf(rule, direction, action, index, name)),
    ),
  );
  const subject = ciliumSubject(selector, name);
  const isolated = { ingress: isolates('ingress'), egress: isolates('egress') };
  return { ...name, tier: 'namespace', priority: 0, subject, isolates: isolated, rules };
}

/** Reads the spec and the specs. @throws Refusal */
export function readCiliumPolicy(object: Field, name: PolicyName): readonly Policy[] {
  const [spec, specs] = [object.at('spec'), object.at('specs')];
  const all = [...(spec.isMissing ? [] : [spec]), ...specs.list(MOST.rules)];
  return all.map((one) => policyOf(one, name));
}
