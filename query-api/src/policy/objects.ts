/** Kubernetes objects that a question may bring along. */
const POLICIES = ['NetworkPolicy', 'CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'ClusterNetworkPolicy'];
/** What tells of the cluster what the store does not. */
const CLUSTER = ['Namespace', 'Pod', 'Node'];

const kindOf = (object: unknown): unknown =>
  typeof object === 'object' && object !== null && Object.hasOwn(object, 'kind')
    ? Reflect.get(object, 'kind')
    : undefined;

/** Whether it is to be read as a policy, if only to say why it is none. */
export const isPolicy = (object: unknown): boolean => !CLUSTER.includes(String(kindOf(object)));

/** Kinds that matter; others need not be sent. */
export const KINDS: readonly string[] = [...POLICIES, ...CLUSTER];
export const isWanted = (object: unknown): boolean => KINDS.includes(String(kindOf(object)));
