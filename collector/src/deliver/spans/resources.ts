/**
 * The Resource of each endpoint: one object per endpoint, so that its spans travel under it together. Names follow
 * OpenTelemetry's rules for Kubernetes where it is a pod. The view `otel_traces` says the same: store/trace_resource.ts.
 */
import type { Attributes } from '@opentelemetry/api';
import { WORKLOAD_ATTRIBUTES } from '../../../../store/trace_resource.ts';
import type { Identity } from '../../control/identity.ts';
import type { ReadableSpan } from './otlp.ts';
import { containerName, imageVersion, saidOfItself } from './pod_resource.ts';

export type Resource = ReadableSpan['resource'];

/** Whom a span is of. */
export interface SpanOwner {
  /** Endpoint id, decimal; null if it is not known. */
  readonly endpointId: string | null;
  /** Its address, which names it where nothing else does. */
  readonly address: string;
}

export interface ResourceScope {
  readonly cluster: string;
  readonly node: string;
  /** Flowspan's version. */
  readonly version: string;
  /** Whether well-known labels name a pod's service; see `saidOfItself`. */
  readonly serviceLabels: boolean;
}

/** Resources that are kept; then all are made anew. */
const MOST = 16_384;

interface Known {
  readonly identity: Identity | undefined;
  readonly resource: Resource;
}

/** Name that people know an endpoint by, undefined if it has none. */
export function endpointName(identity: Identity | undefined): string | undefined {
  return identity?.workload || identity?.name || undefined;
}

/** Name of the service that an endpoint is, undefined if it has none. */
export function serviceName(identity: Identity | undefined, labels: boolean): string | undefined {
  return (identity && saidOfItself(identity, labels)['service.name']) || endpointName(identity);
}

/** Makes resources, and remembers them. */
export class Resources {
  readonly #scope: ResourceScope;
  readonly #known = new Map<string, Known>();

  constructor(scope: ResourceScope) {
    this.#scope = scope;
  }

  /** @param identity of the owner now, undefined if it is not known */
  of(owner: SpanOwner, identity: Identity | undefined): Resource {
    const key = owner.endpointId ?? owner.address;
    const known = this.#known.get(key);
    if (known !== undefined && known.identity === identity) return known.resource;
    if (this.#known.size >= MOST) this.#known.clear();
    const resource = resourceOf(this.#attributes(owner, identity));
    this.#known.set(key, { identity, resource });
    return resource;
  }

  #attributes({ endpointId, address }: SpanOwner, identity: Identity | undefined): Attributes {
    const { cluster, node, version, serviceLabels } = this.#scope;
    const all: Attributes = {
      'service.name': endpointName(identity) ?? address,
      'service.namespace': identity?.namespace,
      'service.instance.id': endpointId ?? undefined,
      'k8s.cluster.name': cluster,
      'k8s.namespace.name': identity?.namespace,
      'host.name': node,
      'container.id': identity?.containerId,
      'telemetry.distro.name': 'flowspan',
      'telemetry.distro.version': version,
      ...(identity?.kind === 'pod' ? podAttributes(identity, node) : {}),
      ...(identity === undefined ? {} : saidOfItself(identity, serviceLabels)),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== ''));
  }
}

/** What a pod has beside what every endpoint has. @param node name of the node that observed it */
function podAttributes(identity: Identity, node: string): Attributes {
  const { namespace, name, pod, workload } = identity;
  const container = containerName(identity);
  const owner = WORKLOAD_ATTRIBUTES[pod?.workloadKind ?? ''];
  return {
    'service.version': imageVersion(pod?.images?.get(container) ?? ''),
    'service.instance.id': [namespace, name, container].filter((part) => part !== '').join('.'),
    'k8s.pod.name': name,
    'k8s.pod.uid': pod?.uid,
    'k8s.container.name': container,
    ...(owner === undefined ? {} : { [owner]: workload }),
    'k8s.node.name': pod?.node || node,
  };
}

/** As the exporter takes it; the SDK's own Resource would have to be loaded for no more than this. */
function resourceOf(attributes: Attributes): Resource {
  const resource: Resource = {
    attributes,
    merge: (other) => (other === null ? resource : resourceOf({ ...attributes, ...other.attributes })),
    getRawAttributes: () => Object.entries(attributes),
  };
  return resource;
}
