/** The form of answers: nulls, 64-bit strings, NDJSON, groups, completeness. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { COLLECTOR_REPORTS, LOSSES, REQUESTS } from '../../store/tables.ts';
import { BEGIN, MS, NODE_A, NODE_B, report, request, SECOND, window } from './rows.ts';
import { insertSamples, MAX } from './samples.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  await insertSamples(scene);
  await scene.insert(
    COLLECTOR_REPORTS,
    Array.from({ length: 61 }, (_, index) => report(BigInt(index) * 5n * SECOND)),
  );
});
after(() => scene.close());

const rows = async (path: string) => (await scene.get(`${path}&${window(300)}&order=time`)).body.data;

test('64-bit numbers are strings, what is not known is null, IPv4 is IPv4', async () => {
  const [row] = await rows(`/v1/flows?socket_cookie=${MAX}`);
  assert.equal(row.socket_cookie, MAX.toString());
  assert.equal(row.bytes_sent, MAX.toString());
  assert.equal(row.pid, null);
  assert.equal(row.source_endpoint_id, null);
  assert.equal(row.source_workload, null);
  assert.equal(row.connect_ns, null);
  assert.equal(row.zero_windows, 0);
  assert.equal(row.source_address, '2001:db8::7');
  assert.equal(row.destination_address, '10.0.0.2');
  assert.match(row.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  const [lost] = await rows('/v1/requests?outcome=no_response');
  for (const name of ['http_status_code', 'status', 'trace_id', 'srtt_us', 'http_query'])
    assert.equal(lost[name], null);
  assert.equal(lost.source_workload, 'cart');
  assert.equal(lost.destination_workload, 'nginx.service');
});

test('NDJSON has a row per line and the rest as last record', async () => {
  for (const [path, headers] of [
    [`/v1/requests?${window(300)}&format=ndjson`, {}],
    [`/v1/requests?${window(300)}`, { accept: 'application/x-ndjson' }],
  ] as const) {
    const { type, text } = await scene.get(path, headers);
    assert.match(type, /^application\/x-ndjson/);
    const records = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(records.length, 5);
    assert.ok(records.slice(0, 4).every((record) => 'time' in record));
    assert.deepEqual(Object.keys(records[4]), ['next', 'completeness']);
  }
});

test('groups: measures, intervals, names; every count uses sample_weight', async () => {
  const { body } = await scene.get(
    `/v1/requests?${window(300)}&group_by=source_workload&order=source_workload&measures=count,errors,error_ratio,rate_per_s,min_duration_ns,max_duration_ns,p50_duration_ns,avg_http_status_code,connections`,
  );
  assert.deepEqual(
    body.data,
    [
      {
        source_workload: 'checkout',
        count: '3',
        errors: '1',
        error_ratio: 1 / 3,
        rate_per_s: 0.01,
        min_duration_ns: '5000000',
        max_duration_ns: '60000000',
        p50_duration_ns: 5000000,
        avg_http_status_code: (200 + 404 + 503) / 3,
        connections: '1',
      },
      {
        source_workload: 'cart',
        count: '1',
        errors: '1',
        error_ratio: 1,
        rate_per_s: 1 / 300,
        min_duration_ns: '5000000',
        max_duration_ns: '5000000',
        p50_duration_ns: 5000000,
        avg_http_status_code: null,
        connections: '1',
      },
    ]
      .sort((a, b) => (a.source_workload < b.source_workload ? 1 : -1))
      .reverse(),
  );
  const spans = await scene.get(`/v1/requests?${window(300)}&interval=2s&order=interval_start`);
  assert.deepEqual(
    spans.body.data.map((row: { count: string }) => row.count),
    ['1', '2', '1'],
  );
  assert.match(spans.body.data[0].interval_start, /\.000000000Z$/);
  const flows = await scene.get(
    `/v1/flows?${window(300)}&group_by=protocol&measures=retransmit_ratio,sum_bytes_received&protocol=udp`,
  );
  assert.deepEqual(flows.body.data, [{ protocol: 17, retransmit_ratio: 4 / 80, sum_bytes_received: '100' }]);
});

test('sample_weight weighs, and is told', async () => {
  await scene.insert(REQUESTS, [
    request(1000n * SECOND, { sample_weight: 10 }),
    request(1001n * SECOND, { request_index: 1, http_status_code: 500 }),
  ]);
  const { body } = await scene.get(`/v1/requests?${window(1100, 900)}&group_by=node&measures=count,error_ratio`);
  assert.deepEqual(body.data, [{ node: 'node-a', count: '11', error_ratio: 1 / 11 }]);
  assert.equal(body.completeness.sampled, true);
  assert.equal((await scene.get(`/v1/requests?${window(1100, 900)}`)).body.completeness.sampled, true);
  assert.equal((await scene.get(`/v1/requests?${window(1100, 900)}&status=500`)).body.completeness.sampled, false);
});

test('completeness: complete where all was watched and delivered', async () => {
  const { completeness } = (await scene.get(`/v1/requests?${window(290)}`)).body;
  assert.equal(completeness.complete, true);
  assert.deepEqual(completeness.lost, []);
  assert.deepEqual(completeness.unobserved, []);
  assert.equal(completeness.expired_before, null);
  assert.deepEqual(completeness.opaque_connections, { tls: '1', http2: '1', other: '0' });
  const narrowed = await scene.get(`/v1/requests?${window(290)}&source_address=192.168.0.0/16`);
  assert.deepEqual(narrowed.body.completeness.opaque_connections, { tls: '0', http2: '1', other: '0' });
});

test('completeness: not beyond the watermark, not where nobody watched', async () => {
  const beyond = (await scene.get(`/v1/requests?${window(320)}`)).body.completeness;
  assert.equal(beyond.complete, false);
  assert.deepEqual(beyond.unobserved, []);
  assert.equal(
    beyond.watermark,
    new Date(Number((BEGIN + 300n * SECOND) / MS)).toISOString().replace('000Z', '000000000Z'),
  );
  const later = (await scene.get(`/v1/requests?${window(500, 400)}`)).body.completeness;
  assert.equal(later.complete, false);
  assert.equal(later.watermark, null);
  assert.equal(later.unobserved[0].node, null);
});

test('completeness: holes between reports, restarts, and what was lost', async () => {
  const at = (second: number) => BEGIN + BigInt(second) * SECOND;
  const text = (second: number) => new Date(Number(at(second) / MS)).toISOString().replace('000Z', '000000000Z');
  const reports = [...Array(10).keys()].map((index) => 2000 + index * 10);
  await scene.insert(COLLECTOR_REPORTS, [
    ...reports.map((second) => report(BigInt(second) * SECOND)),
    report(2150n * SECOND),
    // node-b's collector was started anew within ten seconds
    ...reports.slice(0, 5).map((second) => report(BigInt(second) * SECOND, NODE_B)),
    report(2050n * SECOND, { ...NODE_B, started: at(2046) }),
    report(2080n * SECOND, { ...NODE_B, started: at(2046) }),
    ...[2110, 2140].map((second) => report(BigInt(second) * SECOND, { ...NODE_B, started: at(2046) })),
  ]);
  const loss = { cluster: 'test', ...NODE_A, kind: 'request', reason: 'ring_full', duration_ns: 10n * SECOND };
  await scene.insert(LOSSES, [
    { ...loss, time: at(2020), count: 5n },
    { ...loss, time: at(2030), count: 7n },
    { ...loss, time: at(2040), kind: 'flow', reason: 'restart', count: 0n },
    { ...loss, time: at(2035), reason: 'governor', count: 40n },
    { ...loss, time: at(3000), count: 100n },
  ]);
  const { completeness } = (await scene.get(`/v1/requests?${window(2140, 2010)}`)).body;
  assert.equal(completeness.complete, false);
  assert.deepEqual(completeness.unobserved, [
    { node: 'node-b', from: text(2040), to: text(2046) },
    { node: 'node-a', from: text(2090), to: text(2140) },
  ]);
  assert.deepEqual(completeness.lost, [
    { kind: 'flow', node: 'node-a', reason: 'restart', count: null, from: text(2030), to: text(2040) },
    { kind: 'request', node: 'node-a', reason: 'ring_full', count: '12', from: text(2010), to: text(2030) },
  ]);
  assert.deepEqual(completeness.shed, [
    { kind: 'request', node: 'node-a', reason: 'governor', count: '40', from: text(2025), to: text(2035) },
  ]);
});

test('completeness: detail that was shed on purpose is not lost, and the answer is not complete', async () => {
  const at = BEGIN + 3_500n * SECOND;
  await scene.insert(COLLECTOR_REPORTS, [report(3_490n * SECOND), report(3_500n * SECOND), report(3_510n * SECOND)]);
  const loss = { cluster: 'test', ...NODE_A, kind: 'tcp_event', duration_ns: SECOND, time: at };
  await scene.insert(LOSSES, [{ ...loss, reason: 'noisy_cgroup', count: 3n }]);
  const { completeness } = (await scene.get(`/v1/requests?${window(3505, 3495)}`)).body;
  assert.deepEqual(
    [completeness.complete, completeness.lost, completeness.shed.map(({ reason }: { reason: string }) => reason)],
    [false, [], ['noisy_cgroup']],
  );
});

test('completeness: what has expired', async () => {
  const { completeness } = (await scene.get('/v1/requests?since=20d')).body;
  const threeDaysAgo = Date.now() - 3 * 86_400_000;
  assert.ok(Math.abs(Date.parse(completeness.expired_before) - threeDaysAgo) < 60_000, completeness.expired_before);
});

test('completeness: what the byte budget has deleted', async () => {
  const deleted = new Date(Math.floor(Date.now() / 1000) * 1000 - 7_200_000).toISOString();
  await scene.command(
    `INSERT INTO expirations VALUES ('tcp_events', parseDateTime64BestEffort('${deleted}', 9, 'UTC'), 1, 1)`,
  );
  const { completeness } = (await scene.get('/v1/tcp-events?since=3h')).body;
  assert.equal(completeness.expired_before, deleted.replace('000Z', '000000000Z'));
  assert.equal((await scene.get('/v1/tcp-events?since=1h')).body.completeness.expired_before, null);
  assert.equal((await scene.get('/v1/flows?since=3h')).body.completeness.expired_before, null);
});
