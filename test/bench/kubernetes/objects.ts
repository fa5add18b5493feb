/** Objects as a large cluster has them: each of its own name, size and fields like real ones. */

const hex = (seed: number, length: number): string =>
  Array.from({ length: Math.ceil(length / 8) }, (_, at) =>
    (Math.imul(seed + 1, 2_654_435_761) ^ Math.imul(at + 7, 0x9e3779b1))
      .toString(16)
      .replace('-', 'f')
      .padStart(8, '0'),
  )
    .join('')
    .slice(0, length);

const uid = (kind: number, index: number): string =>
  `${index.toString(16).padStart(8, '0')}-${String(kind).padStart(4, '0')}-4000-8000-${hex(index, 12)}`;

const address = (net: number, index: number): string => `${net + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.7`;

const owner = (kind: string, name: string, id: string): object[] => [
  { apiVersion: 'apps/v1', kind, name, uid: id, controller: true, blockOwnerDeletion: true },
];
const zone = (index: number): string => `zone-${'abc'[index % 3]}`;
const space = (app: number): string => `team-${app % 100}`;

/** What the API server notes of who wrote which field: about a third of a pod's bytes. */
const MANAGED = [
  {
    manager: 'kube-controller-manager',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: {
      'f:metadata': { 'f:generateName': {}, 'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} } },
      'f:spec': {
        'f:containers': { 'k:{"name":"main"}': { '.': {}, 'f:image': {}, 'f:name': {}, 'f:resources': {} } },
      },
    },
  },
  {
    manager: 'kubelet',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:status': { 'f:conditions': {}, 'f:containerStatuses': {}, 'f:hostIP': {}, 'f:podIPs': {} } },
    subresource: 'status',
  },
];

/** @param version its resourceVersion; the label of the same name changes with it */
export function pod(index: number, nodes: number, perService: number, version = '1'): object {
  const app = Math.floor(index / perService);
  const hash = hex(app, 10);
  const labels = { app: `app-${app}`, 'pod-template-hash': hash, 'app.kubernetes.io/version': '1.2.3', version };
  const condition = { status: 'True', lastProbeTime: null, lastTransitionTime: '2026-01-01T00:00:00Z' };
  const ip = address(10, index);
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...{ name: `app-${app}-${hash}-${hex(index, 5)}`, generateName: `app-${app}-${hash}-`, namespace: space(app) },
      ...{ uid: uid(1, index), resourceVersion: version, creationTimestamp: '2026-01-01T00:00:00Z', labels },
      annotations: { 'prometheus.io/scrape': 'true', 'checksum/config': hex(app, 64) },
      ownerReferences: owner('ReplicaSet', `app-${app}-${hash}`, uid(2, app)),
      managedFields: MANAGED,
    },
    spec: {
      volumes: [
        { name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607 } }] } },
      ],
      containers: [
        {
          ...{
            name: 'main',
            image: `registry.example/app-${app}:1.2.3`,
            ports: [{ containerPort: 8080, protocol: 'TCP' }],
          },
          env: [
            { name: 'LOG_LEVEL', value: 'info' },
            { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
          resources: { limits: { memory: '256Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, periodSeconds: 10 },
          ...{ terminationMessagePath: '/dev/termination-log', imagePullPolicy: 'IfNotPresent' },
        },
      ],
      ...{ restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', serviceAccountName: `app-${app}` },
      ...{ nodeName: `node-${index % nodes}`, schedulerName: 'default-scheduler' },
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
    },
    status: {
      phase: 'Running',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, ...condition })),
      ...{ hostIP: address(172, index % nodes), podIP: ip, podIPs: [{ ip }], startTime: '2026-01-01T00:00:00Z' },
      containerStatuses: [
        {
          ...{ name: 'main', state: { running: { startedAt: '2026-01-01T00:00:00Z' } }, ready: true, restartCount: 0 },
          ...{ image: `registry.example/app-${app}:1.2.3`, imageID: `sha256:${hex(app, 64)}`, started: true },
          containerID: `containerd://${hex(index, 64)}`,
        },
      ],
      qosClass: 'Burstable',
    },
  };
}

export function service(app: number): object {
  const clusterIP = `10.${192 + (app >> 14)}.${(app >> 6) & 255}.${app & 63}`;
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { name: `app-${app}`, namespace: space(app), uid: uid(3, app), resourceVersion: '1' },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  };
}

export function endpointSlice(app: number, nodes: number, perService: number): object {
  const first = app * perService;
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      ...{ name: `app-${app}-x`, namespace: space(app), uid: uid(4, app), resourceVersion: '1' },
      labels: { 'kubernetes.io/service-name': `app-${app}` },
    },
    addressType: 'IPv4',
    endpoints: Array.from({ length: perService }, (_, more) => ({
      addresses: [address(10, first + more)],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: {
        kind: 'Pod',
        namespace: space(app),
        name: `app-${app}-${hex(app, 10)}-${hex(first + more, 5)}`,
        uid: uid(1, first + more),
      },
      ...{ nodeName: `node-${(first + more) % nodes}`, zone: zone(first + more) },
    })),
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  };
}

export function node(index: number): object {
  const name = `node-${index}`;
  const labels = {
    'kubernetes.io/hostname': name,
    'topology.kubernetes.io/zone': zone(index),
    'kubernetes.io/os': 'linux',
  };
  const images = Array.from({ length: 50 }, (_, image) => ({
    names: [`registry.example/image-${image}@sha256:${hex(image, 64)}`],
    sizeBytes: 1,
  }));
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name, uid: uid(5, index), resourceVersion: '1', labels },
    spec: { podCIDR: '10.0.0.0/24' },
    status: {
      addresses: [
        { type: 'InternalIP', address: address(172, index) },
        { type: 'Hostname', address: name },
      ],
      images,
    },
  };
}

export function namespace(index: number): object {
  return {
    kind: 'Namespace',
    apiVersion: 'v1',
    metadata: { name: index === 0 ? 'kube-system' : space(index), uid: uid(6, index), resourceVersion: '1' },
  };
}

export function replicaSet(app: number): object {
  const name = `app-${app}-${hex(app, 10)}`;
  const ownerReferences = owner('Deployment', `app-${app}`, uid(7, app));
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { name, namespace: space(app), uid: uid(2, app), resourceVersion: '1', ownerReferences },
  };
}
