/**
 * Requests of which each view knows but its own end: the client is in a node's network or masked by another node, or the
 * server is behind another node's port. What one view lacks the other observed; answers put them together.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { buildEdges } from '../store/edges.ts';
import { clientView, endpoint, event, flow, MS, NODE_B, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

type Row = Record<string, unknown>;

const [AGENT, FAR, FRONT, NODE, OTHER_NODE, OUTSIDER] = [1n, 2n, 3n, 8n, 9n, 5n];

const pod = (id: bigint, workload: string): Row => endpoint(id, workload, { kind: 'pod', namespace: 'shop' });
const known = { source_basis: 'cgroup', destination_basis: 'address' };

let scene: Scene;

/** Three requests of each way, ten seconds apart: rows of requests, and their connection's interval and retransmit. */
async function insert(port: number, server: Row, client: Row | undefined): Promise<void> {
  const connection = { source_port: port, socket_cookie: BigInt(port) * 10n };
  const its = (row: Row, of: Row): Row => ({ ...row, ...of });
  const servers = [10n, 20n, 30n].map((at) =>
    request(at * SECOND, { ...connection, ...server, destination_basis: 'cgroup', request_index: Number(at) }),
  );
  const ofClient = { ...NODE_B, ...client, source_basis: 'cgroup', observation_point: 'client' };
  const seen = { ...ofClient, traffic_direction: 'egress', socket_cookie: BigInt(port) * 10n + 1n };
  const clients = client === undefined ? [] : servers.map((row) => clientView(row, MS, ofClient));
  await scene.insert(REQUESTS, [...servers, ...clients]);
  const both = [
    { ...connection, ...server, destination_basis: 'cgroup' },
    ...(client === undefined ? [] : [{ ...connection, ...seen }]),
  ];
  await scene.insert(
    FLOWS,
    both.map((more) => its(flow(35n * SECOND), more)),
  );
  await scene.insert(
    TCP_EVENTS,
    both.map((more) => its(event(15n * SECOND), more)),
  );
}

before(async () => {
  scene = await Scene.start();
  await scene.insert(ENDPOINTS, [
    ...[pod(AGENT, 'agent'), pod(FAR, 'far'), pod(FRONT, 'front')],
    ...[endpoint(NODE, 'node1', { kind: 'node' }), endpoint(OTHER_NODE, 'node2', { kind: 'node' })],
  ]);
  // from a node's own network
  await insert(
    41_000,
    { source_endpoint_id: NODE, source_basis: 'address', destination_endpoint_id: FAR },
    { source_endpoint_id: AGENT, destination_endpoint_id: FAR, destination_basis: 'address' },
  );
  // through another node's port
  await insert(
    42_000,
    { source_endpoint_id: OTHER_NODE, source_basis: 'address', destination_endpoint_id: FAR },
    {
      ...{ source_endpoint_id: FRONT, destination_endpoint_id: 0n, destination_basis: 'none' },
      ...{ destination_address: '10.0.0.9', destination_port: 30_080, service_namespace: 'shop', service_name: 'far' },
    },
  );
  // whose client nobody observes, and one whose address is told rightly
  await insert(
    43_000,
    { source_endpoint_id: NODE, source_basis: 'address', destination_endpoint_id: FRONT },
    undefined,
  );
  await insert(
    44_000,
    { source_endpoint_id: OUTSIDER, source_basis: 'address', destination_endpoint_id: FRONT },
    { source_endpoint_id: OUTSIDER, destination_endpoint_id: FRONT, ...known },
  );
});
after(() => scene.close());

const SPAN = window(60);

async function ask(route: string, parameters: Readonly<Record<string, string>> = {}): Promise<Row[]> {
  const { status, body, text } = await scene.get(`/v1/${route}?${SPAN}&${new URLSearchParams(parameters)}`);
  assert.equal(status, 200, text);
  return body.data;
}

const ends = (row: Row) => [row.source_endpoint_id, row.destination_endpoint_id];
const told = (row: Row) => [...ends(row), row.source_basis, row.destination_basis].map(String);
const FOUND = {
  agent: [String(AGENT), String(FAR), 'cgroup', 'cgroup'],
  front: [String(FRONT), String(FAR), 'cgroup', 'cgroup'],
};

test('a request says of each end what that end observed', async () => {
  const rows = await ask('requests', { destination: 'far' });
  const ways = rows.map((row) => told(row).join(' ')).toSorted();
  assert.deepEqual(
    ways,
    [FOUND.agent, FOUND.agent, FOUND.agent, FOUND.front, FOUND.front, FOUND.front].map((one) => one.join(' ')),
  );
});

test('it is found by who its client is, and not by the node', async () => {
  for (const client of ['agent', 'front'] as const) {
    const found: Row[] = [];
    for (const [name, value, order] of [
      ['source', client, '-time'],
      ['source_pod', `shop/${client}`, '-duration_ns'],
    ] as const) {
      const rows = await ask('requests', { [name]: value, order });
      assert.deepEqual(rows.map(told), [FOUND[client], FOUND[client], FOUND[client]], name);
      assert.ok(rows.every((row) => row.observation_point === 'server' && row.other_side !== null));
      found.push(...rows);
    }
    // whatever it was found by, its id leads to it
    for (const row of [found[0]!, found.at(-1)!]) {
      const { status, body } = await scene.get(`/v1/requests/${row.id}`);
      assert.equal(status, 200);
      assert.deepEqual(body.data.request, row);
      const of = (view: string) => body.data.views[view].source_workload;
      assert.deepEqual([of('client'), of('server')], [client, client === 'agent' ? 'node1' : 'node2']);
    }
  }
  assert.deepEqual(
    (await ask('requests', { source: 'node1' })).map(ends),
    Array(3).fill([String(NODE), String(FRONT)]),
  );
  assert.equal((await ask('requests', { source: 'node2' })).length, 0);
  assert.equal((await ask('requests', { source: '!agent' })).length, 9);
  assert.equal((await ask('requests', { source_basis: 'cgroup' })).length, 9);
  assert.equal((await ask('requests', { source: 'node2', observation_point: 'server' })).length, 3);
});

test('groups by the client', async () => {
  const rows = await ask('requests', { group_by: 'source_workload,destination_workload', order: 'source_workload' });
  const counts = rows.map((row) => [row.source_workload, row.destination_workload, row.count]);
  assert.deepEqual(counts, [
    [null, 'front', '3'],
    ['agent', 'far', '3'],
    ['front', 'far', '3'],
    ['node1', 'front', '3'],
  ]);
});

/** Requests, bytes, segments of both ends and events of each pair. */
const EDGES = [
  [null, 'front', '3', '100', '2'],
  ['agent', 'far', '3', '100', '2'],
  ['front', 'far', '3', '100', '2'],
  ['node1', 'front', '3', '100', '1'],
];
const BY_WORKLOAD = { group_by: 'source_workload,destination_workload', order: 'source_workload' };

async function edges(parameters: Readonly<Record<string, string>>): Promise<unknown[][]> {
  const rows = await ask('edges', { ...BY_WORKLOAD, ...parameters });
  const ends = (row: Row) => [row.source_workload, row.destination_workload];
  const shown = rows.map((row) => [...ends(row), row.requests, row.bytes_from_client, row.events_retransmit]);
  return shown.toSorted((one, other) => (String(one) < String(other) ? -1 : 1));
}

test('edges, by their rows: each request, byte and event in one pair', async () => {
  assert.deepEqual(await edges({ ip_version: '4' }), EDGES);
  assert.deepEqual(await edges({ ip_version: '4', source: 'agent' }), [EDGES[1]]);
  const service = await ask('edges', { group_by: 'service,destination_workload', service: 'shop/far' });
  assert.deepEqual(
    service.map((row) => [row.service, row.destination_workload, row.requests]),
    [['shop/far', 'far', '3']],
  );
});

test('edges, as they are built', async () => {
  await buildEdges(scene.store.writer(), 'flowspan');
  const { body } = await scene.get(`/v1/edges?${SPAN}`);
  assert.equal(body.from, 'edges_1m');
  assert.deepEqual(await edges({}), EDGES);
  const stored = await scene.store.reader({ database: 'flowspan' }).query({
    query:
      'SELECT toString(source_endpoint_id), toString(destination_endpoint_id), count() FROM edges_1m FINAL GROUP BY ALL ORDER BY ALL',
    format: 'JSONCompactEachRow',
  });
  const pairs = (await stored.json<string[]>()).map(([source, destination]) => [source, destination]);
  assert.deepEqual(
    pairs,
    [
      [AGENT, FAR],
      [FRONT, FAR],
      [OUTSIDER, FRONT],
      [NODE, FRONT],
    ].map((pair) => pair.map(String)),
  );
});
