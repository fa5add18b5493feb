/** Services and their slices as the API server has them, for tests. */

export interface ServiceSpec {
  readonly [field: string]: unknown;
}

/** A Service with one port `web`, whose cluster addresses are given. */
export function service(name: string, clusterIPs: readonly string[], spec: ServiceSpec = {}): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIPs, ports: [{ name: 'web', port: 80, protocol: 'TCP' }], ...spec },
  };
}

export interface EndpointSpec {
  readonly address: string;
  readonly conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
  readonly nodeName?: string;
  readonly zone?: string;
  readonly hints?: unknown;
}

/** A slice of one port, of a service with one port `web`. */
export function slice(
  of: string,
  port: number,
  endpoints: readonly (string | EndpointSpec)[],
  { protocol = 'TCP', name = `${of}-${port}` } = {},
): unknown {
  const all = endpoints.map((each) => (typeof each === 'string' ? { address: each } : each));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
    addressType: all[0]?.address.includes(':') ? 'IPv6' : 'IPv4',
    ports: [{ name: 'web', port, protocol }],
    endpoints: all.map(({ address, ...rest }) => ({ addresses: [address], ...rest })),
  };
}
