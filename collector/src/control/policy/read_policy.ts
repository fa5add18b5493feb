/** Reads a policy of any kind that is known. */
import { checkHttp } from './check_http.ts';
import { type Condition, Refusal } from './condition.ts';
import { Field } from './field.ts';
import { nameOf } from './fields.ts';
import type { Policy, PolicyKind, PolicyName } from './model.ts';
import { readCiliumPolicy } from './read_cilium_policy.ts';
import { readClusterNetworkPolicy } from './read_cluster_network_policy.ts';
import { readNetworkPolicy } from './read_network_policy.ts';

interface Kind {
  readonly apiVersion: string;
  readonly isOfCluster: boolean;
  readonly specs: readonly string[];
  readonly read: (object: Field, name: PolicyName) => readonly Policy[];
}

const SPEC = ['spec'];
const SPECS = ['spec', 'specs'];
const KINDS: Readonly<Record<PolicyKind, Kind>> = {
  NetworkPolicy: { apiVersion: 'networking.k8s.io/v1', isOfCluster: false, specs: SPEC, read: readNetworkPolicy },
  CiliumNetworkPolicy: { apiVersion: 'cilium.io/v2', isOfCluster: false, specs: SPECS, read: readCiliumPolicy },
  CiliumClusterwideNetworkPolicy: {
    ...{ apiVersion: 'cilium.io/v2', isOfCluster: true },
    ...{ specs: SPECS, read: readCiliumPolicy },
  },
  ClusterNetworkPolicy: {
    ...{ apiVersion: 'policy.networking.k8s.io/v1alpha2', isOfCluster: true },
    ...{ specs: SPEC, read: readClusterNetworkPolicy },
  },
};

export interface ReadPolicy {
  readonly condition: Condition;
  /** None if it is refused; a manifest of Cilium's may hold several. */
  readonly policies: readonly Policy[];
}

function isKind(kind: unknown): kind is PolicyKind {
  return typeof kind === 'string' && Object.hasOwn(KINDS, kind);
}

function readAs(kind: PolicyKind, object: Field, name: { namespace: string; name: string }): readonly Policy[] {
  const { apiVersion, isOfCluster, specs, read } = KINDS[kind];
  object.at('apiVersion').oneOf([apiVersion]);
  object.hasOnly('apiVersion', 'kind', 'metadata', 'status', ...specs);
  const namespaceAt = object.at('metadata').at('namespace');
  if (isOfCluster && !namespaceAt.isMissing && namespaceAt.optionalText(253) !== undefined)
    namespaceAt.refuse('BadValue', `a ${kind} has no namespace`, 'take it out');
  if (specs.every((spec) => object.at(spec).isMissing))
    object.at('spec').refuse('MissingField', 'it is missing', 'add it');
  return read(object, { kind, ...name });
}

/**
 * Reads an object as the API server or a YAML file gives it.
 * @param object anything; it is never changed
 */
export function readPolicy(object: unknown): ReadPolicy {
  const field = new Field(object);
  const told = { kind: '', namespace: '', name: '' };
  try {
    const kind = field.at('kind').text(64);
    told.kind = kind;
    const metadata = field.at('metadata');
    told.name = nameOf(metadata.at('name'));
    const isOfCluster = isKind(kind) && KINDS[kind].isOfCluster;
    const namespace = metadata.at('namespace');
    // Who leaves it out means this one, as everywhere in Kubernetes.
    if (!isOfCluster) told.namespace = namespace.isMissing ? 'default' : nameOf(namespace);
    if (!isKind(kind))
      return field.at('kind').refuse('UnknownKind', 'it is no kind of policy', `use ${Object.keys(KINDS).join(', ')}`);
    const policies = readAs(kind, field, { namespace: told.namespace, name: told.name });
    const doubt = checkHttp(policies) ?? { reason: 'Accepted', message: '' };
    return { condition: { ...told, accepted: true, ...doubt }, policies };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { reason, message } = error;
    return { condition: { ...told, accepted: false, reason, message }, policies: [] };
  }
}
