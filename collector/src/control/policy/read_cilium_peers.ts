/** Who the rules of a CiliumNetworkPolicy are about: endpoints, entities, networks. */
import type { Field } from './field.ts';
import { exceptOf, LABEL_KEY, MOST, prefixOf, selectorOf } from './fields.ts';
import { entityIn, keys, NAMESPACE, PODS, podsOf, SERVICE_ACCOUNT } from './labels.ts';
import type { Direction, Peer, PolicyName } from './model.ts';
import { ALL, only, readAddress } from './prefix.ts';
import type { Requirement, Selector } from './selector.ts';

const NAMESPACE_NAME = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABELS = 'io.cilium.k8s.namespace.labels.';
const ACCOUNT = 'io.cilium.k8s.policy.serviceaccount';
const SOURCES = ['k8s', 'any'];

/** Kinds of peers by direction; a rule has one of them. */
const FIELDS = {
  ingress: ['fromEndpoints', 'fromCIDR', 'fromCIDRSet', 'fromEntities'],
  egress: ['toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities'],
} as const;
const NOT_HONOURED = {
  ingress: ['fromRequires', 'fromNodes', 'fromGroups'],
  egress: ['toRequires', 'toNodes', 'toGroups', 'toServices', 'toFQDNs'],
} as const;

/** All names that a rule may have for its peers. */
export function peerFields(direction: Direction): readonly string[] {
  return [...FIELDS[direction], ...NOT_HONOURED[direction]];
}

const OUTSIDE = { except: [], outside: true } as const;
const world = (...families: readonly (4 | 6)[]): Peer[] =>
  families.map((family) => ({ network: ALL[family], ...OUTSIDE }));

const ENTITIES: Readonly<Record<string, readonly Peer[]>> = {
  all: [{ labels: [] }],
  world: world(4, 6),
  'world-ipv4': world(4),
  'world-ipv6': world(6),
  cluster: [{ labels: [entityIn('pod', 'host', 'remote-node')] }],
  host: [{ labels: [entityIn('host')] }],
  'remote-node': [{ labels: [entityIn('remote-node')] }],
  // Endpoints of Cilium's own, which are not where Cilium is not.
  health: [],
  none: [],
};

function keyOf(written: string, field: Field): string {
  const colon = written.indexOf(':');
  const source = colon < 0 ? 'any' : written.slice(0, colon);
  const key = written.slice(colon + 1);
  if (!SOURCES.includes(source))
    field.refuse(
      'LabelSourceUnsupported',
      `labels of the source ${JSON.stringify(source)} are not known`,
      'use an entity or k8s: labels',
    );
  if (key === NAMESPACE_NAME) return NAMESPACE;
  if (key === ACCOUNT) return SERVICE_ACCOUNT;
  const isOfNamespace = key.startsWith(NAMESPACE_LABELS);
  const plain = isOfNamespace ? key.slice(NAMESPACE_LABELS.length) : key;
  if (!LABEL_KEY.test(plain))
    field.refuse('BadSelector', `${JSON.stringify(key.slice(0, 80))} is no key of a label`, 'correct it');
  if (isOfNamespace) return keys.namespace(plain);
  if (plain.startsWith('io.cilium.k8s.'))
    field.refuse('LabelUnsupported', `${plain} is a label that only Cilium gives`, 'take the requirement out');
  return keys.pod(plain);
}

const speaksOfNamespace = ({ key }: Requirement) => key === NAMESPACE || key.startsWith(keys.namespace(''));

/** Peers by labels; those of a namespace's policy are in that namespace unless they say otherwise. */
function endpointsOf(field: Field, { namespace }: PolicyName): Selector {
  const selector = selectorOf(field, keyOf);
  return namespace === '' || selector.some(speaksOfNamespace)
    ? [...PODS, ...selector]
    : [...podsOf(namespace), ...selector];
}

/** The pods a policy is about: of its namespace, or of all where it has none. */
export function ciliumSubject(field: Field, { namespace }: PolicyName): Selector {
  const selector = selectorOf(field, keyOf);
  if (namespace === '') return [...PODS, ...selector];
  const isElsewhere = selector.some(
    ({ key, operator, values }) =>
      key.startsWith(keys.namespace('')) ||
      (key === NAMESPACE && !(operator === 'In' && values.length === 1 && values[0] === namespace)),
  );
  if (isElsewhere)
    field.refuse(
      'OtherNamespace',
      'a CiliumNetworkPolicy is about the pods of its own namespace',
      'use a CiliumClusterwideNetworkPolicy',
    );
  return [...podsOf(namespace), ...selector];
}

function cidrOf(field: Field): Peer {
  const address = readAddress(field.text(64));
  return { network: address === undefined ? prefixOf(field) : only(address), ...OUTSIDE };
}

function cidrSetOf(field: Field): Peer {
  field.hasOnly('cidr', 'except', 'cidrGroupRef', 'cidrGroupSelector');
  field.hasNone('CidrGroupUnsupported', ['cidrGroupRef', 'cidrGroupSelector'], 'write the networks of the group');
  const network = prefixOf(field.at('cidr'));
  return { network, except: exceptOf(field.at('except'), network), outside: true };
}

function entityOf(field: Field): readonly Peer[] {
  const name = field.text(64);
  if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name] as readonly Peer[];
  return field.refuse(
    'EntityUnsupported',
    `the entity ${JSON.stringify(name)} is not known here`,
    `use one of ${Object.keys(ENTITIES).join(', ')}, or write its networks`,
  );
}

/** The peers of a rule; undefined if it names none, which is whoever it is. An empty list selects nobody. */
export function ciliumPeers(rule: Field, direction: Direction, name: PolicyName): readonly Peer[] | undefined {
  rule.hasNone('PeerUnsupported', NOT_HONOURED[direction], `use ${FIELDS[direction].join(', ')}`);
  const [endpoints, cidr, cidrSet, entities] = FIELDS[direction];
  const set = FIELDS[direction].filter((one) => !rule.at(one).isMissing);
  if (set.length > 1) rule.refuse('BadPeer', `${set.join(' and ')} cannot be combined`, 'write a rule for each');
  const items = set.flatMap((one) => rule.at(one).list(MOST.peers));
  switch (set[0]) {
    case undefined:
      return undefined;
    case endpoints:
      return items.map((item) => ({ labels: endpointsOf(item, name) }));
    case cidr:
      return items.map(cidrOf);
    case cidrSet:
      return items.map(cidrSetOf);
    case entities:
      return items.flatMap(entityOf);
  }
}
