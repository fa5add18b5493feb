/** /v1/edges: the rollup and the rows say the same, and each fact counts once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadConfig } from '../../collector/src/config.ts';
import { readEdgesQuestion } from '../../query-api/src/edges.ts';
import { EVERYTHING } from '../../query-api/src/scope.ts';
import { edgesSql } from '../../query-api/src/sql/edges.ts';
import { COLLECTOR_REPORTS, ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { buildEdges } from '../store/edges.ts';
import { clientView, endpoint, event, flow, MS, report, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

let scene: Scene;

before(async () => {
  scene = await Scene.start();
  await scene.insert(ENDPOINTS, [
    endpoint(1n, 'curl', { namespace: 'a' }),
    endpoint(2n, 'nginx'),
    endpoint(3n, 'redis', { namespace: 'b' }),
  ]);
  // 1 -> 2, seen at both ends; every tenth fails, one more never reached the server
  const servers = Array.from({ length: 60 }, (_, index) =>
    request(BigInt(index) * 10n * SECOND + 500n * MS, {
      request_index: index,
      duration_ns: BigInt(index + 1) * MS,
      http_status_code: index % 10 === 9 ? 503 : index % 10 === 8 ? 404 : 200,
    }),
  );
  const never = clientView(
    request(595n * SECOND, { request_index: 60, http_status_code: 0, response_start_ns: 0n }),
    MS,
  );
  // 2 -> 3, seen at the client only, on another port
  const upstream = Array.from({ length: 6 }, (_, index) =>
    clientView(
      request(BigInt(index) * 100n * SECOND, {
        source_endpoint_id: 2n,
        destination_endpoint_id: 3n,
        destination_port: 6379,
        request_index: index,
      }),
      MS,
    ),
  );
  await scene.insert(REQUESTS, [...servers, ...servers.map((server) => clientView(server)), never, ...upstream]);
  const opened = { flow_state: 'opened', segments_sent: 10, data_segments_sent: 8 };
  await scene.insert(FLOWS, [
    flow(5n * SECOND, {
      ...opened,
      retransmitted_segments: 1,
      bytes_sent: 5000n,
      bytes_retransmitted: 100n,
      bytes_received: 700n,
      srtt_us: 300,
      min_rtt_us: 90,
    }),
    flow(5n * SECOND, {
      ...opened,
      observation_point: 'client',
      retransmitted_segments: 3,
      bytes_sent: 800n,
      bytes_retransmitted: 100n,
      bytes_received: 4900n,
      srtt_us: 500,
      min_rtt_us: 120,
    }),
    flow(400n * SECOND, {
      ...opened,
      observation_point: 'client',
      source_endpoint_id: 2n,
      destination_endpoint_id: 3n,
      destination_port: 6379,
      application_protocol: 'tls',
      srtt_us: 0,
      min_rtt_us: 0,
      retransmitted_segments: 0,
    }),
  ]);
  await scene.insert(TCP_EVENTS, [
    event(5n * SECOND),
    event(6n * SECOND, { event_kind: 'connect_failed', retransmit_cause: 'none', observation_point: 'client' }),
  ]);
  await scene.insert(
    COLLECTOR_REPORTS,
    Array.from({ length: 80 }, (_, index) => report(BigInt(index) * 10n * SECOND)),
  );
});
after(() => scene.close());

// biome-ignore lint/suspicious/noExplicitAny: answers are compared field by field
const edge = (body: any, source: string, destination: string) =>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  body.data.find((row: any) => row.source_workload === source && row.destination_workload === destination);

test('rate, errors, latency, retransmits and round trip times, each fact once', async () => {
  const { body } = await scene.get(`/v1/edges?${window(600)}`);
  assert.equal(body.from, 'edges_1m');
  assert.equal(body.data.length, 2);
  const both = edge(body, 'curl', 'nginx');
  assert.equal(both.requests, '61');
  assert.equal(both.errors, '7', 'six answers 503 and one that never came');
  assert.equal(both.client_errors, '6');
  assert.equal(both.error_ratio, 7 / 61);
  assert.equal(both.request_rate_per_s, 61 / 600);
  assert.ok(Math.abs(both.p50_duration_ns / 30e6 - 1) < 0.05, String(both.p50_duration_ns));
  assert.ok(Math.abs(both.p99_duration_ns / 60e6 - 1) < 0.05, String(both.p99_duration_ns));
  assert.equal(both.connections_opened, '1');
  assert.equal(both.connections_failed, '1');
  assert.equal(both.bytes_from_client, '700', 'what the server received');
  assert.equal(both.bytes_from_server, '4900', 'what the client received');
  assert.equal(both.segments, '20');
  assert.equal(both.retransmitted_segments, '4', 'each end knows its own');
  assert.equal(both.retransmit_ratio, 0.2);
  assert.equal(both.avg_srtt_us, 400);
  assert.equal(both.max_srtt_us, 500);
  assert.equal(both.min_rtt_us, 90);
  assert.equal(both.events_retransmit, '1');
  assert.equal(both.source_namespace, 'a');
  const client = edge(body, 'nginx', 'redis');
  assert.equal(client.requests, '6');
  assert.deepEqual([client.opaque_tls, client.opaque_other], ['1', '0'], 'one connection cannot be looked into');
  assert.equal(both.opaque_tls, '0');
  assert.equal(client.avg_srtt_us, null);
  assert.equal(client.min_rtt_us, null);
  assert.equal(client.bytes_from_client, '1000');
});

test('the same from rows, whatever part of the time whole minutes cover', async () => {
  // a filter on what every row has: the rollup cannot tell, and nothing is left out
  for (const range of [window(600), window(601, 1), window(333, 47), window(59, 1), window(125, 60)]) {
    const rollup = await scene.get(`/v1/edges?${range}&order=source_endpoint_id`);
    const rows = await scene.get(`/v1/edges?${range}&order=source_endpoint_id&node=node-a`);
    assert.equal(rows.body.from, 'rows', rows.text);
    assert.deepEqual(rollup.body.data, rows.body.data, range);
    assert.ok(rollup.body.data.length > 0);
  }
});

test('spans of time, from the rollup as from rows', async () => {
  const rollup = await scene.get(
    `/v1/edges?${window(600)}&interval=5m&group_by=destination_workload&order=interval_start`,
  );
  const rows = await scene.get(
    `/v1/edges?${window(600)}&interval=5m&group_by=destination_workload&order=interval_start&node=node-a`,
  );
  assert.deepEqual(rollup.body.data, rows.body.data);
  const nginx = rollup.body.data.filter(
    (row: { destination_workload: string }) => row.destination_workload === 'nginx',
  );
  assert.deepEqual(
    nginx.map((row: { requests: string }) => row.requests),
    ['30', '31'],
  );
  const finer = await scene.get(`/v1/edges?${window(600)}&interval=30s`);
  assert.equal(finer.body.from, 'rows', 'minutes are too coarse');
});

test('grouped by workload, namespace, port', async () => {
  const ports = await scene.get(`/v1/edges?${window(600)}&group_by=destination_port&order=destination_port`);
  assert.equal(ports.body.from, 'edges_1m');
  assert.deepEqual(
    ports.body.data.map((row: Record<string, unknown>) => [row.destination_port, row.requests]),
    [
      [80, '61'],
      [6379, '6'],
    ],
  );
  const namespaces = await scene.get(`/v1/edges?${window(600)}&group_by=source_namespace,destination_namespace`);
  assert.deepEqual(
    namespaces.body.data.map((row: Record<string, unknown>) => [
      row.source_namespace,
      row.destination_namespace,
      row.requests,
    ]),
    [
      ['a', null, '61'],
      [null, 'b', '6'],
    ],
  );
});

test('filters that the rollup serves, and filters on requests', async () => {
  const byName = await scene.get(`/v1/edges?${window(600)}&destination=nginx`);
  assert.equal(byName.body.from, 'edges_1m');
  assert.equal(byName.body.data.length, 1);
  const failing = await scene.get(`/v1/edges?${window(600)}&status=5xx`);
  assert.equal(failing.body.from, 'rows');
  assert.equal(failing.body.data.length, 1);
  assert.equal(failing.body.data[0].requests, '6');
  assert.equal(failing.body.data[0].error_ratio, 1);
  assert.equal(failing.body.data[0].retransmitted_segments, '4', 'the connection is told of as a whole');
});

test('pages of edges', async () => {
  const first = await scene.get(`/v1/edges?${window(600)}&limit=1`);
  const second = await scene.get(`/v1/edges?${window(600)}&limit=1&cursor=${first.body.next}`);
  assert.deepEqual(
    [first, second].map(({ body }) => body.data[0].requests),
    ['61', '6'],
  );
  assert.equal(second.body.next, null);
});

test('edges of a page that is found first are those of the whole answer, from the rollup and from rows', async () => {
  await buildEdges(scene.store.writer(), 'flowspan');
  const { since, until } = Object.fromEntries(new URLSearchParams(window(600)));
  const reader = scene.store.reader({ database: 'flowspan' });
  const limits = loadConfig([], {}).query_api;
  const ask = async (order: string, group_by: string, built: bigint, page?: number) => {
    const query = { since: [since!], until: [until!], order: [order], group_by: [group_by], interval: ['1m'] };
    const read = readEdgesQuestion(query, undefined, { ...EVERYTHING, claims: 'none' }, limits);
    const question = { ...read, builtUntil: read.since + built * SECOND, builtHours: [] };
    const rows: unknown[] = [];
    for (let offset = 0; ; offset += page ?? 0) {
      const { sql, parameters } = edgesSql(question, offset, page ?? 1000, page !== undefined);
      const result = await reader.query({ query: sql, query_params: parameters.values, format: 'JSONEachRow' });
      const found = await result.json();
      rows.push(...found);
      if (page === undefined || found.length < page) return rows;
    }
  };
  const asked = [
    ['-retransmit_ratio', 'source_workload,destination_workload'],
    ['p99_duration_ns', 'destination_endpoint_id,destination_port'],
  ] as const;
  for (const [order, group] of asked) {
    const whole = await ask(order, group, 600n);
    assert.ok(whole.length > 10 && whole.length < 50, `${whole.length} edges`);
    assert.deepEqual(await ask(order, group, 600n, 9), whole, `${order} ${group}, in pages`);
    assert.deepEqual(await ask(order, group, 300n, 30), whole, `${order} ${group}, half of it from rows`);
    assert.deepEqual(await ask(order, group, 0n), whole, `${order} ${group}, from rows`);
  }
});

test('what is left of a minute whose rows have expired is told', async () => {
  const days = (count: number, seconds: number) => Math.floor(Date.now() / 60_000) * 60 - count * 86_400 + seconds;
  const expired = async (since: number) => {
    const { body } = await scene.get(`/v1/edges?since=${since}&until=${since + 600}`);
    assert.equal(body.from, 'edges_1m');
    return body.completeness.expired_before;
  };
  assert.equal(await expired(days(5, 0)), null, 'minutes are kept longer than rows');
  assert.equal(await expired(days(5, 7)), new Date(days(5, 60) * 1000).toISOString().replace('000Z', '000000000Z'));
  assert.equal(await expired(days(0, -3593)), null);
  assert.notEqual(await expired(days(40, 0)), null);
});
