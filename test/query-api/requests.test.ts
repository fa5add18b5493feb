/** /v1/requests: each request once, with both ends' views; found by id. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { clientView, event, flow, MS, NODE_B, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
after(() => scene.close());

/** Ports tell the scenes of this file apart. */
const ask = (port: number, more = '') =>
  scene.get(`/v1/requests?${window(3600)}&source_port=${port}&order=time${more}`);

test('both views of one request are one row: the server’s, with the client’s alongside', async () => {
  const server = request(10n * SECOND, { source_port: 41000, retransmitted_segments: 1 });
  const client = clientView(server, 2n * MS, { retransmitted_segments: 3, timeouts: 1, max_rtt_us: 900 });
  await scene.insert(REQUESTS, [client, server]);
  const { body } = await ask(41000);
  assert.equal(body.data.length, 1);
  const [row] = body.data;
  assert.equal(row.observation_point, 'server');
  assert.equal(row.retransmitted_segments, 1);
  assert.equal(row.other_side.observation_point, 'client');
  assert.equal(row.other_side.retransmitted_segments, 3);
  assert.equal(row.other_side.timeouts, 1);
  assert.equal(row.other_side.max_rtt_us, 900);
  assert.equal(row.other_side.duration_ns, String(9n * MS));
});

test('with observation_point each view is a row of its own', async () => {
  for (const point of ['client', 'server']) {
    const { body } = await ask(41000, `&observation_point=${point}`);
    assert.deepEqual(
      body.data.map((row: Record<string, unknown>) => row.observation_point),
      [point],
    );
  }
  assert.equal((await ask(41000, '&observation_point=client,server')).body.data.length, 2);
});

test('a request that never reached the server counts at the client, right behind one that did', async () => {
  const first = request(20n * SECOND, { source_port: 41001, request_index: 0 });
  const lost = clientView(request(20n * SECOND + 20n * MS, { source_port: 41001, http_status_code: 0 }), MS, {
    request_index: 1,
    response_start_ns: 0n,
    request_end: 'connection_reset',
  });
  await scene.insert(REQUESTS, [first, clientView(first, MS, { request_index: 0 }), lost]);
  const { body } = await ask(41001);
  assert.deepEqual(
    body.data.map((row: Record<string, unknown>) => [row.observation_point, row.outcome]),
    [
      ['server', 'ok'],
      ['client', 'no_response'],
    ],
  );
  const filtered = await ask(41001, '&outcome=no_response');
  assert.equal(filtered.body.data.length, 1, 'also when the first is not in the answer');
  const grouped = await scene.get(`/v1/requests?${window(3600)}&source_port=41001&group_by=outcome&order=outcome`);
  assert.deepEqual(grouped.body.data, [
    { outcome: 'ok', count: '1' },
    { outcome: 'no_response', count: '1' },
  ]);
});

test('views are paired when an end was joined in the middle and counts differently', async () => {
  const servers = [0, 1, 2, 3].map((index) =>
    request(30n * SECOND + BigInt(index) * 10n * MS, { source_port: 41002, request_index: index + 5 }),
  );
  const clients = servers.map((server, index) => clientView(server, MS, { request_index: index }));
  await scene.insert(REQUESTS, [...servers, ...clients]);
  const { body } = await ask(41002);
  assert.deepEqual(
    body.data.map((row: Record<string, { request_index: number }> & { request_index: number }) => [
      row.request_index,
      row.other_side!.request_index,
    ]),
    [
      [5, 0],
      [6, 1],
      [7, 2],
      [8, 3],
    ],
  );
  const grouped = await scene.get(`/v1/requests?${window(3600)}&source_port=41002&group_by=node`);
  assert.equal(grouped.body.data[0].count, '4');
});

test('between nodes whose clocks differ the sequence numbers pair the views', async () => {
  const skew = 80n * MS;
  const servers = [0, 1, 2, 3, 4, 5].map((index) =>
    request(40n * SECOND + BigInt(index) * 10n * MS, { source_port: 41003, request_index: index, ...NODE_B }),
  );
  const clients = servers.map((server) =>
    clientView(server, MS, {
      ...request(0n),
      time: BigInt(String(server.time)) + MS - skew,
      duration_ns: 7n * MS,
      source_port: 41003,
      request_index: server.request_index,
      request_sequence: server.request_sequence,
      response_sequence: server.response_sequence,
      observation_point: 'client',
    }),
  );
  await scene.insert(REQUESTS, [...servers, ...clients]);
  const { body } = await ask(41003);
  assert.deepEqual(
    body.data.map((row: { request_index: number; other_side: { request_index: number } }) => [
      row.request_index,
      row.other_side.request_index,
    ]),
    [0, 1, 2, 3, 4, 5].map((index) => [index, index]),
  );
  const grouped = await scene.get(`/v1/requests?${window(3600)}&source_port=41003&group_by=node`);
  assert.deepEqual(grouped.body.data, [{ node: 'node-b', count: '6' }]);
});

test('pipelined requests are paired one for one', async () => {
  const servers = [0, 1, 2].map((index) =>
    request(50n * SECOND + BigInt(index) * MS, {
      source_port: 41004,
      request_index: index,
      duration_ns: BigInt(5 + index) * MS,
    }),
  );
  await scene.insert(REQUESTS, [
    ...servers,
    ...servers.map((server) => clientView(server, MS, { request_index: server.request_index })),
  ]);
  const { body } = await ask(41004);
  const pairs = body.data.map((row: { request_index: number; other_side: { request_index: number } }) => [
    row.request_index,
    row.other_side.request_index,
  ]);
  assert.deepEqual(pairs, [
    [0, 0],
    [1, 1],
    [2, 2],
  ]);
});

test('of fast requests on one machine the one that got no answer is told from its neighbours', async () => {
  const gap = 300_000n;
  const servers = Array.from({ length: 20 }, (_, index) =>
    request(55n * SECOND + BigInt(index) * gap, {
      source_port: 41010,
      request_index: index + 3,
      duration_ns: 100_000n,
    }),
  );
  const clients = servers.map((server, index) => clientView(server, 50_000n, { request_index: index }));
  const last = clientView(
    request(57n * SECOND, { source_port: 41010, http_status_code: 0, duration_ns: 2n * SECOND - 20n * gap }),
    0n,
    {
      request_index: 20,
      response_start_ns: 0n,
    },
  );
  await scene.insert(REQUESTS, [...servers, ...clients, last]);
  const { body } = await ask(41010);
  assert.equal(body.data.length, 21);
  assert.deepEqual(
    body.data
      .filter((row: { outcome: string }) => row.outcome === 'no_response')
      .map((row: { observation_point: string }) => row.observation_point),
    ['client'],
  );
  assert.ok(
    body.data
      .slice(0, 20)
      .every(
        (row: { request_index: number; other_side: { request_index: number } }) =>
          row.request_index === row.other_side.request_index + 3,
      ),
  );
  const grouped = await scene.get(`/v1/requests?${window(3600)}&source_port=41010&group_by=outcome&order=outcome`);
  assert.deepEqual(
    grouped.body.data.map((row: { count: string }) => row.count),
    ['20', '1'],
  );
});

test('connections of different namespaces with the same addresses and ports are different', async () => {
  const loopback = { source_address: '127.0.0.1', destination_address: '127.0.0.1', source_port: 41005 };
  const server = request(60n * SECOND, { ...loopback, netns: 1 });
  const elsewhere = clientView(request(60n * SECOND, { ...loopback, netns: 2, socket_cookie: 7n }), MS);
  await scene.insert(REQUESTS, [server, elsewhere]);
  const { body } = await ask(41005);
  assert.equal(body.data.length, 2);
  assert.ok(body.data.every((row: { other_side: unknown }) => row.other_side === null));
});

test('a client that gave up long before the server answered asked once', async () => {
  const server = request(64n * SECOND, { source_port: 41014, duration_ns: 15n * SECOND });
  const gaveUp = { time: BigInt(String(server.time)) - 14n * SECOND, duration_ns: SECOND, http_status_code: 0 };
  await scene.insert(REQUESTS, [server, clientView(server, MS, { ...gaveUp, request_end: 'connection_closed' })]);
  const { body } = await ask(41014);
  assert.deepEqual(
    body.data.map((row: { other_side: { request_end: string } }) => row.other_side.request_end),
    ['connection_closed'],
  );
});

test('the same numbers at another time are another exchange', async () => {
  const server = request(62n * SECOND, { source_port: 41011 });
  await scene.insert(REQUESTS, [server, clientView(server, MS, { time: BigInt(String(server.time)) + 60n * SECOND })]);
  const { body } = await ask(41011);
  assert.deepEqual(
    body.data.map((row: { other_side: unknown }) => row.other_side),
    [null, null],
  );
});

test('where addresses are translated between the ends, a request is one nevertheless, with the events of both', async () => {
  const inside = { source_address: '10.9.9.9', source_port: 41013, destination_port: 8080 };
  const server = request(80n * SECOND, { ...inside, http_status_code: 503 });
  const outside = {
    source_address: '10.0.0.1',
    source_port: 41012,
    destination_address: '10.96.0.1',
    destination_port: 80,
  };
  const client = clientView(server, MS, outside);
  await scene.insert(REQUESTS, [server, client]);
  await scene.insert(TCP_EVENTS, [
    event(80n * SECOND - MS, inside),
    event(80n * SECOND, { ...outside, observation_point: 'client', sent_by: 'client' }),
  ]);
  assert.deepEqual((await ask(41012)).body.data, [], 'the view that counts has other ports');
  const [row] = (await ask(41013)).body.data;
  assert.equal(row.observation_point, 'server');
  assert.equal(row.other_side.observation_point, 'client');
  const { body } = await scene.get(`/v1/requests/${row.other_side.id}`);
  assert.deepEqual([body.data.request.id, body.data.views.client.source_port], [row.id, 41012]);
  assert.deepEqual(
    body.data.tcp_events.map((one: Record<string, unknown>) => one.observation_point),
    ['server', 'client'],
  );
  for (const [port, count] of [
    [41012, []],
    [41013, [{ outcome: 'server_error', count: '1' }]],
  ]) {
    const grouped = await scene.get(`/v1/requests?${window(3600)}&source_port=${port}&group_by=outcome`);
    assert.deepEqual(grouped.body.data, count);
  }
});

test('a request is found by its id, with both views, its events and its flow rows', async () => {
  const server = request(70n * SECOND, { source_port: 41006, duration_ns: 700n * MS, http_status_code: 503 });
  const client = clientView(server, 3n * MS);
  await scene.insert(REQUESTS, [server, client, request(70n * SECOND, { source_port: 41007 })]);
  await scene.insert(TCP_EVENTS, [
    event(70n * SECOND - 300n * MS, { source_port: 41006 }),
    event(70n * SECOND - 200n * MS, { source_port: 41006, retransmit_cause: 'fast', observation_point: 'client' }),
    event(70n * SECOND - 300n * MS, { source_port: 41007 }),
    event(65n * SECOND, { source_port: 41006 }),
  ]);
  await scene.insert(FLOWS, [
    flow(75n * SECOND, { source_port: 41006 }),
    flow(75n * SECOND, { source_port: 41006, observation_point: 'client' }),
    flow(60n * SECOND, { source_port: 41006 }),
    flow(90n * SECOND, { source_port: 41006 }),
  ]);
  const [row] = (await ask(41006)).body.data;
  for (const id of [row.id, row.other_side.id]) {
    const { status, body } = await scene.get(`/v1/requests/${id}`);
    assert.equal(status, 200);
    assert.equal(body.data.request.id, row.id, 'the view that counts, whichever id was asked for');
    assert.equal(body.data.views.server.http_status_code, 503);
    assert.equal(body.data.views.client.duration_ns, String(706n * MS));
    assert.deepEqual(
      body.data.tcp_events.map((one: Record<string, unknown>) => [one.retransmit_cause, one.observation_point]),
      [
        ['timeout', 'server'],
        ['fast', 'client'],
      ],
    );
    assert.deepEqual(
      body.data.flows.map((one: Record<string, unknown>) => one.observation_point),
      ['client', 'server'],
    );
    assert.ok('complete' in body.completeness);
  }
});

test('the id is looked up without a scan', async () => {
  await scene.command(
    `INSERT INTO requests (time, destination_endpoint_id, source_endpoint_id, resource) SELECT
       now64(9) - toIntervalSecond(number % 80000), number % 50, number % 30, toString(number % 20) FROM numbers(200000)`,
  );
  const [row] = (await ask(41006)).body.data;
  const { viewsByIdSql } = await import('../../query-api/src/sql/request_by_id.ts');
  const { placeOf } = await import('../../query-api/src/ids.ts');
  const { EVERYTHING } = await import('../../query-api/src/scope.ts');
  const { sql, parameters } = viewsByIdSql(placeOf(row.id), EVERYTHING);
  const result = await scene.store
    .reader({ database: 'flowspan' })
    .query({ query: `EXPLAIN ESTIMATE ${sql}`, query_params: parameters.values, format: 'JSONEachRow' });
  const read = (await result.json<{ rows: string }>()).reduce((sum, { rows }) => sum + Number(rows), 0);
  assert.ok(read > 0 && read <= 8192 * 4, `reads ${read} rows of 200,000`);
});

test('what is no id is refused, and an id of nothing is not found', async () => {
  const bad = await scene.get('/v1/requests/nonsense');
  assert.equal(bad.status, 400);
  assert.equal(bad.body.code, 'FLOW_QUERY_BAD_ID');
  const none = await scene.get(`/v1/requests/${'0'.repeat(64)}`);
  assert.equal(none.status, 404);
  assert.equal(none.body.code, 'FLOW_QUERY_NO_SUCH_REQUEST');
  assert.equal((await scene.get(`/v1/requests/${'0'.repeat(64)}?x=1`)).status, 400);
});
