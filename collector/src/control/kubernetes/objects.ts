/**
 * What is kept of the API server's objects. They are other people's: each field is read as an own property, must be of
 * its type and is bounded; what is not so counts as not there. No key of theirs becomes a key of a plain object.
 */

/** Who made an object. */
export interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

interface Named {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface PodObject extends Named {
  /** Config hash of a static pod, which is the UID that its node knows it by; else empty. */
  readonly staticHash: string;
  readonly owner: Owner | undefined;
  readonly labels: ReadonlyMap<string, string>;
  /** Annotations that name attributes of its OpenTelemetry resource, by attribute. */
  readonly resourceAttributes: ReadonlyMap<string, string>;
  /** By container name. */
  readonly images: ReadonlyMap<string, string>;
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly addresses: readonly string[];
  /** It has come to its end: succeeded or failed. */
  readonly finished: boolean;
  readonly containers: readonly { readonly id: string; readonly name: string }[];
  /** Times in milliseconds since the epoch, as whole seconds cut off; NaN if there is none. When its node took it up. */
  readonly startedMs: number;
  /** When its first container ran. */
  readonly runningMs: number;
  /** When its last container stopped; NaN unless all have. */
  readonly stoppedMs: number;
  /** When its deletion was asked for. */
  readonly deletionMs: number;
}

export interface ServicePort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
  /** 0 if it has none. */
  readonly nodePort: number;
}

export interface ServiceObject extends Named {
  /** Cluster, external and load-balancer addresses; none if it is headless. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
}

export interface SliceObject extends Named {
  /** Name of its service; empty if it has none. */
  readonly service: string;
  readonly addresses: readonly string[];
}

export interface NodeObject extends Named {
  readonly addresses: readonly string[];
  readonly zone: string;
}

/** A ReplicaSet or Job, of which the metadata is enough; a Namespace, too. */
export interface OwnedObject extends Named {
  readonly owner: Owner | undefined;
}

/** Longest name: that of a DNS subdomain. Longest label key: such a prefix, a slash and 63 characters. */
const NAME = 253;
const LABEL_KEY = NAME + 64;
const LABEL_VALUE = 63;
/** Most of each that is kept; the API server itself allows any number of labels. */
const LABELS = 64;
const RESOURCE_ATTRIBUTES = 32;
const ATTRIBUTE_VALUE = 256;
const IMAGE = 512;
const CONTAINERS = 64;
const POD_ADDRESSES = 4;
const ADDRESSES = 64;
const PORTS = 256;
/** Endpoints of a slice, as the API server bounds them. */
const ENDPOINTS = 1000;

const PROTOCOLS: ReadonlyMap<unknown, number> = new Map([
  [undefined, 6],
  ['TCP', 6],
  ['UDP', 17],
  ['SCTP', 132],
]);

function at(value: unknown, ...keys: readonly string[]): unknown {
  let here = value;
  for (const key of keys) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

function text(value: unknown, longest = NAME): string {
  return typeof value === 'string' && value.length <= longest && value.isWellFormed() ? value : '';
}

function list(value: unknown, most: number): readonly unknown[] {
  if (!Array.isArray(value)) return [];
  return value.length > most ? value.slice(0, most) : value;
}

function texts(values: readonly unknown[]): string[] {
  return [...new Set(values.map((value) => text(value)).filter((value) => value !== ''))];
}

function whole(value: unknown, most: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most ? value : 0;
}

function time(value: unknown): number {
  const written = text(value, 40);
  return written === '' ? Number.NaN : Date.parse(written);
}

interface Bounds {
  readonly prefix: string;
  readonly most: number;
  readonly longestValue: number;
}

const ALL_LABELS: Bounds = { prefix: '', most: LABELS, longestValue: LABEL_VALUE };
const ATTRIBUTES: Bounds = {
  prefix: 'resource.opentelemetry.io/',
  most: RESOURCE_ATTRIBUTES,
  longestValue: ATTRIBUTE_VALUE,
};

/** Entries whose keys begin with a prefix, without it. */
function words(value: unknown, { prefix, most, longestValue }: Bounds): Map<string, string> {
  const kept = new Map<string, string>();
  if (typeof value !== 'object' || value === null) return kept;
  for (const key in value) {
    if (kept.size >= most) break;
    if (!key.startsWith(prefix) || key.length > LABEL_KEY || !key.isWellFormed()) continue;
    const word = at(value, key);
    if (typeof word !== 'string' || word.length > longestValue || !word.isWellFormed()) continue;
    kept.set(key.slice(prefix.length), word);
  }
  return kept;
}

function images(spec: unknown): Map<string, string> {
  const named = list(at(spec, 'containers'), CONTAINERS).map(
    (one) => [text(at(one, 'name')), text(at(one, 'image'), IMAGE)] as const,
  );
  return new Map(named.filter(([name, image]) => name !== '' && image !== ''));
}

function named(object: unknown): Named | undefined {
  const uid = text(at(object, 'metadata', 'uid'), 128).toLowerCase();
  const name = text(at(object, 'metadata', 'name'));
  if (uid === '' || name === '') return undefined;
  return { uid, name, namespace: text(at(object, 'metadata', 'namespace')) };
}

/** The owner that manages an object; there is one at most. */
function owner(object: unknown): Owner | undefined {
  const reference = list(at(object, 'metadata', 'ownerReferences'), ADDRESSES).find(
    (candidate) => at(candidate, 'controller') === true,
  );
  const kind = text(at(reference, 'kind'));
  const name = text(at(reference, 'name'));
  return kind === '' || name === '' ? undefined : { kind, name, uid: text(at(reference, 'uid'), 128).toLowerCase() };
}

/** Reads what any object has, whole or metadata only; undefined if it has no UID or no name. */
export function readOwned(object: unknown): OwnedObject | undefined {
  const own = named(object);
  return own && { ...own, owner: owner(object) };
}

interface Containers {
  readonly containers: { id: string; name: string }[];
  readonly runningMs: number;
  readonly stoppedMs: number;
}

function containers(status: unknown): Containers {
  const kept = new Map<string, string>();
  let runningMs = Number.NaN;
  let stoppedMs = Number.NaN;
  let running = false;
  for (const key of ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses']) {
    for (const one of list(at(status, key), CONTAINERS)) {
      const id = /^[a-z0-9.-]+:\/\/([0-9a-f]{64})$/.exec(text(at(one, 'containerID')))?.[1];
      const states = [at(one, 'state', 'running'), at(one, 'state', 'terminated'), at(one, 'lastState', 'terminated')];
      for (const state of states) {
        const began = time(at(state, 'startedAt'));
        // A container that never ran has a time long before Kubernetes was.
        if (began > 0 && !(began >= runningMs)) runningMs = began;
      }
      const ended = time(at(one, 'state', 'terminated', 'finishedAt'));
      // An init container that is over takes no part any more.
      const takesPart = key !== 'initContainerStatuses' || Number.isNaN(ended);
      if (id !== undefined && takesPart && kept.size < CONTAINERS) kept.set(id, text(at(one, 'name')));
      if (Number.isNaN(ended)) running ||= key !== 'initContainerStatuses';
      else if (!(ended <= stoppedMs)) stoppedMs = ended;
    }
  }
  const all = [...kept].map(([id, name]) => ({ id, name }));
  return { containers: all, runningMs, stoppedMs: running ? Number.NaN : stoppedMs };
}

/** Reads a Pod; undefined if it has no UID or no name. */
export function readPod(object: unknown): PodObject | undefined {
  const own = named(object);
  if (own === undefined) return undefined;
  const metadata = at(object, 'metadata');
  const spec = at(object, 'spec');
  const status = at(object, 'status');
  const annotations = at(metadata, 'annotations');
  const isMirror = at(annotations, 'kubernetes.io/config.mirror') !== undefined;
  const phase = at(status, 'phase');
  const hosts = list(at(status, 'hostIPs'), POD_ADDRESSES).map((host) => at(host, 'ip'));
  const ofNode = texts([at(status, 'hostIP'), ...hosts]);
  const several = list(at(status, 'podIPs'), POD_ADDRESSES).map((one) => at(one, 'ip'));
  const graceMs = whole(at(metadata, 'deletionGracePeriodSeconds'), 1e9) * 1000;
  return {
    ...own,
    staticHash: isMirror ? text(at(annotations, 'kubernetes.io/config.hash'), 64).toLowerCase() : '',
    owner: owner(object),
    labels: words(at(metadata, 'labels'), ALL_LABELS),
    resourceAttributes: words(annotations, ATTRIBUTES),
    images: images(spec),
    node: text(at(spec, 'nodeName')),
    serviceAccount: text(at(spec, 'serviceAccountName')),
    hostNetwork: at(spec, 'hostNetwork') === true,
    // Some networks give a pod its node's address without saying so.
    addresses: texts([at(status, 'podIP'), ...several]).filter((address) => !ofNode.includes(address)),
    finished: phase === 'Succeeded' || phase === 'Failed',
    ...containers(status),
    startedMs: time(at(status, 'startTime')),
    deletionMs: time(at(metadata, 'deletionTimestamp')) - graceMs,
  };
}

/** Reads a Service. */
export function readService(object: unknown): ServiceObject | undefined {
  const own = named(object);
  if (own === undefined) return undefined;
  const spec = at(object, 'spec');
  const balancers = list(at(object, 'status', 'loadBalancer', 'ingress'), ADDRESSES).map((one) => at(one, 'ip'));
  const addresses = texts([
    at(spec, 'clusterIP'),
    ...list(at(spec, 'clusterIPs'), POD_ADDRESSES),
    ...list(at(spec, 'externalIPs'), ADDRESSES),
    ...balancers,
  ]).filter((address) => address !== 'None');
  const ports = list(at(spec, 'ports'), PORTS).map((port) => ({
    name: text(at(port, 'name')),
    protocol: PROTOCOLS.get(at(port, 'protocol')) ?? 0,
    port: whole(at(port, 'port'), 65_535),
    nodePort: whole(at(port, 'nodePort'), 65_535),
  }));
  return { ...own, addresses, ports };
}

/** Reads an EndpointSlice. */
export function readSlice(object: unknown): SliceObject | undefined {
  const own = named(object);
  if (own === undefined) return undefined;
  const service = text(at(object, 'metadata', 'labels', 'kubernetes.io/service-name'));
  const slots = list(at(object, 'endpoints'), ENDPOINTS);
  // Of several addresses only the first counts, says the API.
  return { ...own, service, addresses: texts(slots.map((slot) => list(at(slot, 'addresses'), 1)[0])) };
}

/** Reads a Node. */
export function readNode(object: unknown): NodeObject | undefined {
  const own = named(object);
  if (own === undefined) return undefined;
  const addresses = list(at(object, 'status', 'addresses'), ADDRESSES)
    .filter((one) => ['InternalIP', 'ExternalIP'].includes(String(at(one, 'type'))))
    .map((one) => at(one, 'address'));
  const zone = at(object, 'metadata', 'labels', 'topology.kubernetes.io/zone');
  return { ...own, addresses: texts(addresses), zone: text(zone) };
}
