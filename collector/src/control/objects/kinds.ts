/** Kinds of Kubernetes objects that Flowspan takes something from, wherever they come from. */
import type { Step } from '../../config_dataplane.ts';
import type { Kept } from '../kubernetes/pruned_json.ts';

export interface Kind {
  readonly kind: string;
  /** API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in the API server's paths. */
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** Whether identity is taken from it: then it is always watched. */
  readonly isIdentity: boolean;
  /** Steps that need it whole, or what `fields` says of it. */
  readonly steps: readonly Step[];
  /** What of it those steps are told. */
  readonly fields: Kept;
}

const METADATA = { uid: true, name: true, namespace: true, labels: true, annotations: true } as const;
const PORTS: Kept = { name: true, containerPort: true, protocol: true };
const POD: Kept = {
  metadata: METADATA,
  spec: {
    ...{ nodeName: true, serviceAccountName: true, hostNetwork: true },
    containers: { name: true, ports: PORTS },
    initContainers: { name: true, restartPolicy: true, ports: PORTS },
  },
  status: { phase: true, podIP: true, podIPs: { ip: true }, hostIP: true, hostIPs: { ip: true } },
};
const WHOLE = { metadata: METADATA, spec: true, status: true } as const;

const core = { group: '', version: 'v1', isNamespaced: true, isIdentity: true } as const;
const policy = { isIdentity: false, steps: ['policy'] as readonly Step[], fields: WHOLE } as const;
const cilium = { ...policy, group: 'cilium.io', version: 'v2', fields: { ...WHOLE, specs: true } } as const;

/** All of them. What Flowspan itself writes into objects is not among it. */
export const KINDS = [
  { ...core, kind: 'Pod', plural: 'pods', steps: ['load_balancing', 'policy', 'redirect'], fields: POD },
  { ...core, kind: 'Service', plural: 'services', steps: ['load_balancing', 'policy'], fields: WHOLE },
  {
    ...{ kind: 'EndpointSlice', group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' },
    ...{ isNamespaced: true, isIdentity: true, steps: ['load_balancing', 'policy'] },
    fields: { metadata: METADATA, addressType: true, endpoints: true, ports: true },
  },
  {
    ...{ ...core, kind: 'Node', plural: 'nodes', isNamespaced: false, steps: ['load_balancing', 'policy'] },
    fields: { metadata: METADATA, spec: { podCIDR: true, podCIDRs: true }, status: { addresses: true } },
  },
  {
    ...{ ...core, kind: 'Namespace', plural: 'namespaces', isNamespaced: false },
    ...{ steps: ['policy', 'redirect'], fields: { metadata: METADATA } },
  },
  {
    ...{ ...policy, kind: 'NetworkPolicy', group: 'networking.k8s.io', version: 'v1' },
    ...{ plural: 'networkpolicies', isNamespaced: true },
  },
  {
    ...{ ...policy, kind: 'ClusterNetworkPolicy', group: 'policy.networking.k8s.io', version: 'v1alpha2' },
    ...{ plural: 'clusternetworkpolicies', isNamespaced: false },
  },
  { ...cilium, kind: 'CiliumNetworkPolicy', plural: 'ciliumnetworkpolicies', isNamespaced: true },
  {
    ...cilium,
    kind: 'CiliumClusterwideNetworkPolicy',
    plural: 'ciliumclusterwidenetworkpolicies',
    isNamespaced: false,
  },
] as const satisfies readonly Kind[];

export type KindName = (typeof KINDS)[number]['kind'];

const BY_NAME: ReadonlyMap<string, Kind> = new Map(KINDS.map((kind: Kind) => [kind.kind, kind]));

/** A kind by its name; undefined if it is none of these. */
export function kindOf(name: string): (Kind & { readonly kind: KindName }) | undefined {
  return BY_NAME.get(name) as (Kind & { readonly kind: KindName }) | undefined;
}

/** `v1` or `group/version`. */
export function apiVersionOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Where the API server lists a kind. */
export function pathOf({ group, version, plural }: Pick<Kind, 'group' | 'version' | 'plural'>): string {
  return `${group === '' ? '/api' : `/apis/${group}`}/${version}/${plural}`;
}

/** Kinds that these steps need. */
export function kindsFor(steps: readonly Step[]): KindName[] {
  return KINDS.filter((kind: Kind) => kind.steps.some((step) => steps.includes(step))).map(({ kind }) => kind);
}
