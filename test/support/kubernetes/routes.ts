/** What a test's script sends through a cluster, by each way there is, and what is to be known of it afterwards. */
import assert from 'node:assert/strict';
import { run } from '../../../deploy/lab/program.ts';
import type { KubernetesObject } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { Node } from './node.ts';
import { GUARD_PORT, NAMESPACE, NODE_PORT, type Shop } from './shop.ts';

/** Requests of each route, each on a connection of its own. */
const REQUESTS = 3;

const SAID = ['kind', 'namespace', 'workload', 'workload_kind', 'name', 'node', 'container'] as const;

/** One end of a row, as the views name it. */
export type End = Readonly<Record<(typeof SAID)[number], string>>;

/** Requests that go one way; its name is the first segment of their paths. */
export interface Route {
  readonly name: string;
  send(): Promise<unknown>;
  readonly source: End;
  readonly destination: End;
  /** Ids of the containers at both ends; empty for a process outside of any. */
  readonly containers: { readonly client: string; readonly server: string };
  /** `namespace/name` of the service that is dialled, and `address:port` of the backend; empty where none is. */
  readonly service: string;
  readonly backend: string;
}

/** What a row says, in the terms of a route. */
export interface Told {
  readonly path: string;
  readonly point: string;
  readonly source: End;
  readonly destination: End;
  readonly container: string;
  readonly service: string;
  readonly backend: string;
  /** The same in both rows of a request, of whatever collectors. */
  readonly exchange: string;
}

/** Columns of `requests_named` and `flows_named` that told() reads; of the former with http_path and EXCHANGE_SQL. */
export const TOLD_SQL = [
  'observation_point, container_id',
  ...['source', 'destination'].map((end) => SAID.map((name) => `${end}_${name}`).join(', ')),
  "if(service_name = '', '', concat(service_namespace, '/', service_name)) AS service",
  "if(backend_port = 0, '', concat(replaceOne(toString(backend_address), '::ffff:', ''), ':', toString(backend_port))) AS backend",
].join(', ');

export const EXCHANGE_SQL = "concat(toString(request_sequence), ' ', toString(response_sequence)) AS exchange";

/** Reads a row of TOLD_SQL. */
export function told(row: Readonly<Record<string, string>>): Told {
  const end = (which: string): End => {
    const said = Object.fromEntries(SAID.map((name) => [name, row[`${which}_${name}`]])) as End;
    // Which node a process lives on, every collector says who sees it; a pod's node is known from the API server.
    return said.kind === 'process' ? { ...said, node: '' } : said;
  };
  return {
    path: row.http_path ?? '',
    point: row.observation_point as string,
    source: end('source'),
    destination: end('destination'),
    container: row.container_id as string,
    service: row.service as string,
    backend: row.backend as string,
    exchange: row.exchange ?? '',
  };
}

/** A pod of the shop, as an end. */
export function podEnd(shop: Shop, workload: keyof Shop): End {
  const { metadata, spec } = shop[workload];
  const kinds = { front: 'Deployment', far: 'Deployment', near: 'StatefulSet', agent: 'DaemonSet', guard: 'DaemonSet' };
  return {
    kind: 'pod',
    namespace: NAMESPACE,
    workload,
    workload_kind: kinds[workload],
    name: metadata.name,
    node: spec.nodeName,
    container: `${workload}-main`,
  };
}

/** A process outside of Kubernetes, as an end. */
export function processEnd(executable: string): End {
  const none = { namespace: '', workload_kind: '', node: '', container: '' };
  return { ...none, kind: 'process', workload: executable, name: executable };
}

/** The id of a pod's only container. */
export function containerId(pod: KubernetesObject): string {
  const [{ containerID }] = pod.status.containerStatuses as [{ containerID: string }];
  return containerID.replace('containerd://', '');
}

/** The routes: within a node, to another, through services and node ports, from and to the nodes' own networks. */
export async function routesOf(cluster: Cluster, shop: Shop): Promise<Route[]> {
  const [node1, node2] = cluster.nodes as [Node, Node];
  const { clusterIP, ports } = (await cluster.admin.get(`/api/v1/namespaces/${NAMESPACE}/services/far`)).spec;
  const farAddress = shop.far.status.podIP as string;
  const guard = `${node1.address}:${GUARD_PORT}`;
  const route = (
    name: string,
    from: keyof Shop,
    to: keyof Shop,
    address: string,
    through: { service: string; backend: string } = { service: '', backend: '' },
  ): Route => ({
    name,
    send: () => cluster.exec(shop[from], requests(name, address)),
    source: podEnd(shop, from),
    destination: podEnd(shop, to),
    containers: { client: containerId(shop[from]), server: containerId(shop[to]) },
    ...through,
  });
  const backend = `${farAddress}:80`;
  const outside = { service: `${NAMESPACE}/far-outside`, backend };
  return [
    route('same-node', 'front', 'near', shop.near.status.podIP as string),
    route('other-node', 'front', 'far', farAddress),
    route('service', 'front', 'far', `${clusterIP}:${ports[0].port}`, { service: `${NAMESPACE}/far`, backend }),
    route('node-port', 'front', 'far', `${node2.address}:${NODE_PORT}`, outside),
    route('own-node-port', 'front', 'far', `${node1.address}:${NODE_PORT}`, outside),
    route('to-host-network', 'front', 'guard', guard),
    route('host-network', 'agent', 'far', farAddress),
    route('host-network-service', 'agent', 'far', `${clusterIP}:${ports[0].port}`, {
      service: `${NAMESPACE}/far`,
      backend,
    }),
    route('one-address', 'agent', 'guard', guard),
    {
      ...route('host-process', 'agent', 'far', farAddress),
      source: processEnd('curl'),
      containers: { client: '', server: containerId(shop.far) },
      // One process for all, which lives long enough to be looked at.
      send: () =>
        run({ namespace: node1.namespace, cgroup: node1.host }, [
          ...['curl', '-sf', '-m', '10', '-H', 'Connection: close', '--rate', '90/m'],
          ...Array.from({ length: REQUESTS }, (_, index) => `http://${farAddress}/host-process/${index + 1}`),
        ]),
    },
  ];
}

function requests(route: string, address: string): string[] {
  const send = `curl -sSf -o /dev/null -m 15 http://${address}/${route}/$i`;
  return ['sh', '-c', `i=0; while [ $i -lt ${REQUESTS} ]; do i=$((i + 1)); ${send} || exit 1; done`];
}

/** Each request has one row of each of its ends, which are found together, by whomever they were written. */
function assertPairs(name: string, rows: readonly Told[]): void {
  const seen = ofRoute(name, rows);
  assert.deepEqual(
    seen.map(({ path, point }) => `${path} ${point}`),
    Array.from({ length: REQUESTS }, (_, at) =>
      ['client', 'server'].map((point) => `/${name}/${at + 1} ${point}`),
    ).flat(),
  );
  for (let at = 0; at < seen.length; at += 2) assert.equal(seen[at]?.exchange, seen[at + 1]?.exchange, seen[at]?.path);
  assert.equal(new Set(seen.map(({ exchange }) => exchange)).size, REQUESTS);
}

/** For collectors that see the whole machine: every row says everything of both ends. */
export function assertRoute(route: Route, rows: readonly Told[]): void {
  const { name, source, destination, containers, service, backend } = route;
  const wanted = Array.from({ length: REQUESTS }, (_, index) =>
    (['client', 'server'] as const).map(
      (point): Told => ({
        path: `/${name}/${index + 1}`,
        point,
        source,
        destination,
        container: containers[point],
        service,
        backend,
        exchange: '',
      }),
    ),
  );
  assertPairs(name, rows);
  const seen = ofRoute(name, rows).map((row) => ({ ...row, exchange: '' }));
  assert.deepEqual(seen, wanted.flat());
}

/**
 * Rows whose other end is not told by a collector that sees its own node alone: it is behind the address of a node, or
 * behind another node's port.
 */
const OPEN: ReadonlySet<string> = new Set([
  'node-port client',
  'own-node-port server',
  'host-network server',
  'host-network-service server',
  'host-process server',
]);

/**
 * For collectors that see their own node alone: every row says its own end, its container, and the other end unless that
 * is open; the client's says the service, and the backend that it was translated to on its node. What a row says besides
 * is true. So the two rows of a request, which are found together, say everything.
 */
export function assertRouteApart(route: Route, rows: readonly Told[]): void {
  const { name, containers, service, backend } = route;
  assertPairs(name, rows);
  for (const row of ofRoute(name, rows)) {
    const [own, other] =
      row.point === 'client' ? (['source', 'destination'] as const) : (['destination', 'source'] as const);
    const isOpen = OPEN.has(`${name} ${row.point}`);
    assert.deepEqual(row[own], route[own], `${row.path} ${row.point}`);
    // A node stands for whoever is behind its address.
    if (!isOpen || !['', 'node'].includes(row[other].kind))
      assert.deepEqual(row[other], route[other], `${row.path} ${row.point}`);
    assert.equal(row.container, containers[row.point as keyof typeof containers]);
    const services = row.point === 'client' ? [service] : ['', service];
    const backends = row.point === 'client' && !isOpen ? [backend] : ['', backend];
    assert.ok(services.includes(row.service), `${row.path} ${row.point}: ${row.service}`);
    assert.ok(backends.includes(row.backend), `${row.path} ${row.point}: ${row.backend}`);
  }
}

function ofRoute(name: string, rows: readonly Told[]): Told[] {
  const key = ({ path, point }: Told): string => `${path} ${point}`;
  return rows
    .filter(({ path }) => path.startsWith(`/${name}/`))
    .toSorted((one, other) => (key(one) < key(other) ? -1 : 1));
}
