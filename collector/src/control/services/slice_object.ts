/** What balancing needs of an EndpointSlice. */
import { Refused } from './refused.ts';
import {
  address,
  type Family,
  familyOf,
  field,
  flag,
  items,
  type Located,
  name,
  named,
  type Protocol,
  protocol,
  text,
  whole,
  word,
} from './values.ts';

export interface SlicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface SliceEndpoint {
  readonly address: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Empty if it is not told. */
  readonly node: string;
  readonly zone: string;
  /** Zones and nodes whose clients it is meant for; none: nothing is said. */
  readonly forZones: readonly string[];
  readonly forNodes: readonly string[];
}

export interface BalancedSlice {
  readonly namespace: string;
  readonly name: string;
  /** Name of its service; empty if it has none. */
  readonly service: string;
  readonly family: Family;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

/** As the API server bounds them. */
const ENDPOINTS = 1000;
const PORTS = 20_000;
const ADDRESSES = 100;
const HINTS = 64;

const SERVICE_LABEL = 'kubernetes.io/service-name';

function readEndpoint(endpoint: Located): SliceEndpoint {
  // Of several addresses only the first counts, says the API: they are interchangeable.
  const [first] = items(field(endpoint, 'addresses'), ADDRESSES);
  const hints = field(endpoint, 'hints');
  return {
    address: address(first ?? field(endpoint, 'addresses')),
    ready: flag(field(endpoint, 'conditions', 'ready'), true),
    serving: flag(field(endpoint, 'conditions', 'serving'), true),
    terminating: flag(field(endpoint, 'conditions', 'terminating'), false),
    node: text(field(endpoint, 'nodeName')),
    zone: text(field(endpoint, 'zone')),
    forZones: items(field(hints, 'forZones'), HINTS).map((zone) => name(field(zone, 'name'))),
    forNodes: items(field(hints, 'forNodes'), HINTS).map((node) => name(field(node, 'name'))),
  };
}

/** Reads an EndpointSlice. @throws Refused if anything of what is read is not as the API says */
export function readBalancedSlice(value: unknown): BalancedSlice {
  const object = { value, path: '' };
  const type = word(field(object, 'addressType'), 'IPv4', 'IPv6', 'FQDN');
  if (type === 'FQDN')
    throw new Refused('NamesLeftAlone', 'Its endpoints are DNS names, which no proxy resolves. Use addresses.');
  const family = type === 'IPv6' ? 6 : 4;
  const endpoints = items(field(object, 'endpoints'), ENDPOINTS).map(readEndpoint);
  const stray = endpoints.find((endpoint) => familyOf(endpoint.address) !== family);
  if (stray !== undefined)
    throw new Refused('Malformed', `${stray.address} is no ${type} address, as addressType says. Correct either.`);
  const ports = items(field(object, 'ports'), PORTS)
    // One without a number means all ports: a frontend has one.
    .filter((port) => (field(port, 'port').value ?? null) !== null)
    .map((port) => ({
      name: text(field(port, 'name')),
      protocol: protocol(field(port, 'protocol')),
      port: whole(field(port, 'port'), 1, 65_535),
    }));
  return {
    ...named(object),
    service: text(field(object, 'metadata', 'labels', SERVICE_LABEL)),
    family,
    ports,
    endpoints,
  };
}
