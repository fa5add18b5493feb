/** What objects.ts reads of the API server's objects: nothing else of them is parsed. A test holds the two together. */
import type { Kept } from './pruned_json.ts';

const OWNERS: Kept = { kind: true, name: true, uid: true, controller: true };
const NAMED = { uid: true, name: true, namespace: true } as const;
const ADDRESS: Kept = { ip: true };
const TERMINATED: Kept = { startedAt: true, finishedAt: true };
const CONTAINER_STATUSES: Kept = {
  ...{ name: true, containerID: true },
  state: { running: { startedAt: true }, terminated: TERMINATED },
  lastState: { terminated: TERMINATED },
};

/** Of ReplicaSets, Jobs and Namespaces. */
export const OWNED_FIELDS: Kept = { metadata: { ...NAMED, ownerReferences: OWNERS } };

export const POD_FIELDS: Kept = {
  metadata: {
    ...NAMED,
    ownerReferences: OWNERS,
    ...{ labels: true, deletionTimestamp: true, deletionGracePeriodSeconds: true },
    annotations: {
      'kubernetes.io/config.mirror': true,
      'kubernetes.io/config.hash': true,
      'resource.opentelemetry.io/*': true,
    },
  },
  spec: {
    ...{ nodeName: true, serviceAccountName: true, hostNetwork: true },
    containers: { name: true, image: true },
  },
  status: {
    ...{ phase: true, startTime: true, hostIP: true, podIP: true },
    ...{ hostIPs: ADDRESS, podIPs: ADDRESS },
    initContainerStatuses: CONTAINER_STATUSES,
    containerStatuses: CONTAINER_STATUSES,
    ephemeralContainerStatuses: CONTAINER_STATUSES,
  },
};

export const SERVICE_FIELDS: Kept = {
  metadata: NAMED,
  spec: {
    ...{ clusterIP: true, clusterIPs: true, externalIPs: true },
    ports: { name: true, protocol: true, port: true, nodePort: true },
  },
  status: { loadBalancer: { ingress: ADDRESS } },
};

export const SLICE_FIELDS: Kept = {
  metadata: { ...NAMED, labels: { 'kubernetes.io/service-name': true } },
  endpoints: { addresses: true },
};

export const NODE_FIELDS: Kept = {
  metadata: { ...NAMED, labels: { 'topology.kubernetes.io/zone': true } },
  status: { addresses: { type: true, address: true } },
};
