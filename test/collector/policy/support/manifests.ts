/** Heads of the manifests of each kind of policy. */
export const HEADS = {
  np: 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\n',
  cilium: 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: x}\n',
  wide: 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\n',
  cnp: 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\n',
} as const;

/** A NetworkPolicy of namespace x. */
export function networkPolicy(spec: string, name = 'p', namespace = 'x'): string {
  const head = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\n`;
  return `${head}spec:\n${spec.replace(/^/gm, '  ')}\n`;
}

export const A = 'podSelector: {matchLabels: {pod: a}}\n';
export const DENY_IN = networkPolicy('podSelector: {}\npolicyTypes: [Ingress]', 'deny-in');
export const DENY_OUT = networkPolicy('podSelector: {}\npolicyTypes: [Egress]', 'deny-out');
