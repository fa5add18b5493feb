/**
 * Pods, namespaces and nodes as policies need them, from objects as the API server or YAML files give them. What is
 * malformed of one of them counts as not there, as everywhere where Flowspan reads objects that it does not have to obey.
 */
import type { Cluster } from './compile.ts';
import type { NamedPort, Node, Pod } from './endpoints.ts';
import { PORTS } from './fields.ts';
import { PROTOCOLS } from './model.ts';
import { type Address, readAddress } from './prefix.ts';
import type { Labels } from './selector.ts';

const NONE: Labels = new Map();
const FINISHED: readonly unknown[] = ['Succeeded', 'Failed'];
const NODE_ADDRESSES: readonly unknown[] = ['InternalIP', 'ExternalIP'];

function at(value: unknown, ...keys: readonly string[]): unknown {
  let here = value;
  for (const key of keys) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

const text = (value: unknown): string => (typeof value === 'string' && value.isWellFormed() ? value : '');
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function labelsIn(object: unknown): Labels {
  const labels = at(object, 'metadata', 'labels');
  if (typeof labels !== 'object' || labels === null) return NONE;
  return new Map(Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function addressesIn(values: readonly unknown[]): readonly Address[] {
  const texts = new Set(values.map(text));
  return Array.from(texts, readAddress).filter((address) => address !== undefined);
}

/** Containers that go on running: also init containers that are restarted, which are sidecars. */
function containersIn(spec: unknown): readonly unknown[] {
  const sidecars = list(at(spec, 'initContainers')).filter((one) => at(one, 'restartPolicy') === 'Always');
  return [...list(at(spec, 'containers')), ...sidecars];
}

function namedPortsIn(spec: unknown): readonly NamedPort[] {
  return containersIn(spec)
    .flatMap((container) => list(at(container, 'ports')))
    .flatMap((told) => {
      const [name, port] = [text(at(told, 'name')), at(told, 'containerPort')];
      const word = text(at(told, 'protocol')) || 'TCP';
      if (name === '' || !Object.hasOwn(PROTOCOLS, word)) return [];
      if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > PORTS) return [];
      return [{ name, protocol: PROTOCOLS[word as keyof typeof PROTOCOLS], port }];
    });
}

function readPod(object: unknown, labelsOf: (namespace: string) => Labels): Pod {
  const [spec, status] = [at(object, 'spec'), at(object, 'status')];
  const namespace = text(at(object, 'metadata', 'namespace')) || 'default';
  // An address may be another pod's once this one has come to its end.
  const isOver = FINISHED.includes(at(status, 'phase'));
  const addresses = [at(status, 'podIP'), ...list(at(status, 'podIPs')).map((one) => at(one, 'ip'))];
  return {
    uid: text(at(object, 'metadata', 'uid')) || `${namespace}/${text(at(object, 'metadata', 'name'))}`,
    namespace,
    namespaceLabels: labelsOf(namespace),
    labels: labelsIn(object),
    serviceAccount: text(at(spec, 'serviceAccountName')) || 'default',
    ports: namedPortsIn(spec),
    node: text(at(spec, 'nodeName')),
    hostNetwork: at(spec, 'hostNetwork') === true,
    addresses: isOver ? [] : addressesIn(addresses),
  };
}

function readNode(object: unknown): Node {
  const addresses = list(at(object, 'status', 'addresses'))
    .filter((one) => NODE_ADDRESSES.includes(at(one, 'type')))
    .map((one) => at(one, 'address'));
  return { name: text(at(object, 'metadata', 'name')), labels: labelsIn(object), addresses: addressesIn(addresses) };
}

/**
 * Reads the pods, namespaces and nodes among some objects; others are passed over.
 * @param node name of the node that policies are compiled for
 */
export function readCluster(objects: Iterable<unknown>, node: string): Cluster {
  const byKind = Map.groupBy(objects, (object) => at(object, 'kind'));
  const of = (kind: string) => (byKind.get(kind) ?? []).filter((object) => text(at(object, 'metadata', 'name')) !== '');
  const namespaces = new Map(of('Namespace').map((one) => [text(at(one, 'metadata', 'name')), labelsIn(one)]));
  const pods = of('Pod').map((pod) => readPod(pod, (namespace) => namespaces.get(namespace) ?? NONE));
  return { node, nodes: of('Node').map(readNode), pods };
}
