/** Objects as the API server writes them, with the fields that matter to the collector. */

/** Milliseconds since the epoch as the API server writes times: whole seconds, cut off. */
export function apiTime(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

export interface PodValues {
  readonly uid: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly address?: string | undefined;
  readonly addresses?: readonly string[];
  readonly hostAddress?: string;
  readonly hostNetwork?: boolean;
  readonly phase?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid: string };
  /** Container ids by name. */
  readonly containers?: Record<string, string>;
  readonly startedMs?: number;
  readonly runningMs?: number;
  readonly stoppedMs?: number | undefined;
  readonly deletionMs?: number | undefined;
  readonly graceS?: number;
}

export function podObject(values: PodValues): unknown {
  const { uid, startedMs, runningMs, stoppedMs, deletionMs, owner, address, graceS = 0 } = values;
  const time = (ms: number | undefined) => (ms === undefined ? undefined : apiTime(ms));
  const addresses = values.addresses ?? (address === undefined ? [] : [address]);
  const state =
    stoppedMs === undefined
      ? { running: { startedAt: time(runningMs) } }
      : { terminated: { startedAt: time(runningMs), finishedAt: time(stoppedMs) } };
  const containers = Object.entries(values.containers ?? (runningMs === undefined ? {} : { main: '' }));
  return {
    metadata: {
      uid,
      name: values.name ?? `pod-${uid}`,
      namespace: values.namespace ?? 'shop',
      labels: values.labels,
      annotations: values.annotations,
      ...(owner === undefined ? {} : { ownerReferences: [{ ...owner, controller: true }] }),
      ...(deletionMs === undefined
        ? {}
        : { deletionTimestamp: apiTime(deletionMs + graceS * 1000), deletionGracePeriodSeconds: graceS }),
    },
    spec: {
      nodeName: values.node ?? 'node-1',
      hostNetwork: values.hostNetwork,
      serviceAccountName: 'default',
      containers: containers.map(([name]) => ({ name, image: `registry/${name}:1` })),
    },
    status: {
      phase: values.phase ?? 'Running',
      hostIP: values.hostAddress ?? '192.0.2.1',
      podIP: addresses[0],
      podIPs: addresses.map((ip) => ({ ip })),
      startTime: time(startedMs),
      containerStatuses: containers.map(([name, id]) => ({ name, containerID: id && `containerd://${id}`, state })),
    },
  };
}

export function nodeObject(name: string, uid: string, addresses: readonly string[], zone = ''): unknown {
  return {
    metadata: { uid, name, labels: { 'topology.kubernetes.io/zone': zone } },
    status: {
      addresses: [
        { type: 'Hostname', address: name },
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
      ],
    },
  };
}

export function sliceObject(name: string, service: string, addresses: readonly string[], namespace = 'shop'): unknown {
  return {
    metadata: { uid: `slice-${namespace}-${name}`, name, namespace, labels: { 'kubernetes.io/service-name': service } },
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  };
}

export interface ServiceValues {
  readonly name: string;
  readonly namespace?: string;
  readonly addresses?: readonly string[];
  readonly external?: readonly string[];
  readonly balancers?: readonly string[];
  readonly ports?: readonly Record<string, unknown>[];
}

export function serviceObject(values: ServiceValues): unknown {
  const { name, namespace = 'shop', addresses = ['None'], external, balancers = [], ports = [] } = values;
  return {
    metadata: { uid: `service-${namespace}-${name}`, name, namespace },
    spec: { clusterIP: addresses[0], clusterIPs: addresses, externalIPs: external, ports },
    status: { loadBalancer: { ingress: balancers.map((ip) => ({ ip })) } },
  };
}

export function ownedObject(
  uid: string,
  name: string,
  owner?: { readonly kind: string; readonly name: string; readonly uid: string },
): unknown {
  const ownerReferences = owner === undefined ? undefined : [{ ...owner, controller: true }];
  return { metadata: { uid, name, namespace: 'shop', ownerReferences } };
}
