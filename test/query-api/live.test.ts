/** /v1/live over a fake collector's feed: filters, once per request, losses, completeness, who may watch. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { eventually } from '../../deploy/lab/wait.ts';
import { LiveHub } from '../../query-api/src/live/hub.ts';
import { readLiveQuestion } from '../../query-api/src/live/question.ts';
import { Watcher } from '../../query-api/src/live/watcher.ts';
import { EVERYTHING } from '../../query-api/src/scope.ts';
import { Store } from '../../query-api/src/store.ts';
import { ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS, VERDICTS } from '../../store/tables.ts';
import { FakeCollector } from './fake_collector.ts';
import { clientView, endpoint, event, flow, MS, request, SECOND, verdict } from './rows.ts';
import { configFor, Scene, silent } from './scene.ts';

// biome-ignore lint/suspicious/noExplicitAny: frames are compared field by field
type Frame = any;

let collector: FakeCollector;
let scene: Scene;
const watchers: WebSocket[] = [];

before(async () => {
  collector = await FakeCollector.start();
  scene = await Scene.start({ collectors: [collector.url], collector_token: 'feed', max_live_clients: 4 });
  await scene.insert(ENDPOINTS, [endpoint(1n, 'curl'), endpoint(2n, 'nginx.service')]);
});
afterEach(async () => {
  for (const watcher of watchers.splice(0)) watcher.terminate();
  await eventually('the feed to be left', () => collector.clients === 0);
});
after(async () => {
  await scene.close();
  await collector.close();
});

/** Watches, and resolves when the collector feeds. */
async function watch(query = '', options: { origin?: string; protocols?: string[] } = {}) {
  const url = `${scene.url.replace('http', 'ws')}/v1/live${query}`;
  const headers = options.origin === undefined ? {} : { origin: options.origin };
  const socket = new WebSocket(url, options.protocols ?? [], { headers });
  watchers.push(socket);
  const frames: Frame[] = [];
  socket.on('message', (data) => frames.push(JSON.parse(String(data))));
  await once(socket, 'open');
  await eventually('the collector to be asked', () => collector.clients === 1);
  // the first names of endpoints are read meanwhile
  await sleep(200);
  return { socket, frames };
}

/** Status with which a watcher is refused, and the problem. */
async function refused(query: string, options: { origin?: string } = {}) {
  const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/v1/live${query}`, { headers: options });
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  let text = '';
  for await (const chunk of response) text += chunk;
  socket.terminate();
  return { status: response.statusCode, body: JSON.parse(text) };
}

const count = (frames: Frame[], wanted: number) => eventually(`${wanted} frames`, () => frames.length >= wanted);

test('collectors are connected only while somebody watches', async () => {
  assert.equal(collector.clients, 0);
  const { socket } = await watch();
  assert.equal(collector.shown.at(-1), 'Bearer feed');
  const second = await watch();
  assert.equal(collector.clients, 1, 'one connection serves all');
  socket.close();
  await sleep(100);
  assert.equal(collector.clients, 1);
  second.socket.close();
  await eventually('the feed to be left', () => collector.clients === 0);
});

test('rows look as in the other answers, with names', async () => {
  const { frames } = await watch();
  collector.row(FLOWS, flow(SECOND, { pid: 0 }));
  collector.row(TCP_EVENTS, event(SECOND));
  await count(frames, 2);
  assert.deepEqual(
    frames.map(({ type }) => type),
    ['flow', 'tcp_event'],
  );
  await scene.insert(FLOWS, [flow(SECOND, { pid: 0 })]);
  const { body } = await scene.get('/v1/flows?since=2h');
  assert.deepEqual(frames[0].row, body.data[0]);
  assert.equal(frames[0].row.source_workload, 'curl');
});

test('verdicts look as in the other answers, and filters of theirs hold', async () => {
  const { frames } = await watch('?verdict=DROPPED,AUDIT&policy_name=cart&namespace=shop&types=verdict');
  const rows = [
    verdict(SECOND, { policy_verdict: 'denied', count: 18446744073709551615n }),
    verdict(2n * SECOND, { policy_verdict: 'audited', policy_mode: 'audit' }),
    verdict(3n * SECOND),
    verdict(4n * SECOND, { policy_verdict: 'denied', policy_name: 'other' }),
  ];
  for (const row of rows) collector.row(VERDICTS, row);
  await count(frames, 2);
  await sleep(300);
  await scene.insert(VERDICTS, rows);
  const { body } = await scene.get('/v1/verdicts?since=2h&order=time&limit=2');
  assert.deepEqual(
    frames,
    body.data.map((row: unknown) => ({ type: 'verdict', row })),
  );
});

test('filters hold; kinds of rows without such a column are left out', async () => {
  const { frames } = await watch(
    '?status=5xx&destination=nginx*&path=/items/*&min_duration=5ms&source_address=10.0.0.0/24',
  );
  collector.row(FLOWS, flow(SECOND));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 200 }));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 503, http_path: '/other', request_index: 1 }));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 503, destination_endpoint_id: 1n, request_index: 2 }));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 503, source_address: '10.0.1.1', request_index: 3 }));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 503, duration_ns: 4n * MS, request_index: 4 }));
  collector.row(REQUESTS, request(SECOND, { http_status_code: 503, request_index: 5 }));
  await count(frames, 1);
  await sleep(300);
  assert.deepEqual(
    frames.map(({ row }) => row.request_index),
    [5],
  );
});

test('filters by pod, service and labels hold', async () => {
  const pod = { kind: 'pod', namespace: 'shop', name: 'web-1', containers: { c: 'main' }, services: ['web'] };
  await scene.insert(ENDPOINTS, [
    endpoint(31n, 'web', { ...pod, labels: { app: 'web' } }),
    endpoint(32n, 'web', { ...pod, name: 'web-2', labels: { app: 'web', canary: 'true' } }),
    endpoint(33n, 'other', { ...pod, name: 'other-1', services: ['other'], labels: { app: 'web' } }),
  ]);
  const query = new URLSearchParams({
    types: 'flow',
    destination_label: 'app in (web),!canary',
    destination_services: 'shop/web',
    destination_pod: 'shop/w',
    destination_container: 'main',
  });
  const first = await watch('?types=request');
  const { frames } = await watch(`?${query}`);
  for (const id of [31n, 32n, 33n, 2n, 0n]) collector.row(FLOWS, flow(SECOND, { destination_endpoint_id: id }));
  collector.row(FLOWS, flow(2n * SECOND, { destination_endpoint_id: 31n }));
  await count(frames, 2);
  await sleep(200);
  assert.deepEqual(
    frames.map(({ row }) => row.destination_endpoint_id),
    ['31', '31'],
  );
  assert.equal(frames[0].row.destination_container, 'main');
  assert.equal(first.frames.length, 0);
});

test('a request that both ends saw is shown once, with both views', async () => {
  const { frames } = await watch('?types=request');
  const server = request(SECOND, { retransmitted_segments: 2, peer_observed: true });
  collector.row(REQUESTS, server);
  await sleep(100);
  collector.row(REQUESTS, clientView(server, MS, { timeouts: 1 }));
  const alone = clientView(request(2n * SECOND, { source_port: 44001, http_status_code: 0 }), MS, {
    response_start_ns: 0n,
  });
  collector.row(REQUESTS, alone);
  await count(frames, 2);
  await sleep(800);
  assert.equal(frames.length, 2);
  assert.equal(frames[0].row.observation_point, 'server');
  assert.equal(frames[0].row.retransmitted_segments, 2);
  assert.equal(frames[0].row.other_side.timeouts, 1);
  assert.equal(frames[1].row.observation_point, 'client');
  assert.equal(frames[1].row.other_side, null);
});

test('what the client dialled is told of the request, and can be asked for', async () => {
  const { frames } = await watch('?types=request&service=shop/web');
  const server = request(SECOND, { source_port: 44010, peer_observed: true });
  collector.row(REQUESTS, request(SECOND, { source_port: 44011 }));
  collector.row(REQUESTS, server);
  const dialled = { service_namespace: 'shop', service_name: 'web', backend_address: '10.0.0.2', backend_port: 80 };
  collector.row(REQUESTS, clientView(server, MS, { ...dialled, destination_address: '10.96.0.1' }));
  await count(frames, 1);
  const [{ row }] = frames as [Frame];
  assert.deepEqual([row.observation_point, row.source_port, row.service_name], ['server', 44010, 'web']);
  assert.deepEqual([row.backend_address, row.destination_address], ['10.0.0.2', '10.0.0.2']);
});

test('a view that comes late does not make it another request', async () => {
  const { frames } = await watch('?types=request');
  const server = request(SECOND, { source_port: 44002, peer_observed: true });
  collector.row(REQUESTS, server);
  await count(frames, 1);
  collector.row(REQUESTS, clientView(server));
  await sleep(900);
  assert.equal(frames.length, 1);
});

test('a view whose other end is not observed is shown before any that waits for its other end, and once', async () => {
  const { frames } = await watch('?types=request');
  collector.row(REQUESTS, request(SECOND, { source_port: 44004, peer_observed: true }));
  const alone = request(SECOND, { source_port: 44005 });
  collector.row(REQUESTS, alone);
  await count(frames, 2);
  assert.deepEqual(
    frames.map(({ row }) => row.source_port),
    [44005, 44004],
  );
  collector.row(REQUESTS, clientView(alone));
  await sleep(900);
  assert.equal(frames.length, 2);
});

test('with observation_point each view is shown at once', async () => {
  const { frames } = await watch('?types=request&observation_point=client,server');
  const server = request(SECOND, { source_port: 44003 });
  collector.row(REQUESTS, server);
  collector.row(REQUESTS, clientView(server));
  await count(frames, 2);
  assert.deepEqual(
    frames.map(({ row }) => row.observation_point),
    ['server', 'client'],
  );
});

test('what a collector left out is told', async () => {
  const { frames } = await watch();
  collector.frame('{"type":"lost","count":7}');
  collector.frame('no json');
  await count(frames, 2);
  assert.deepEqual(frames[0], { type: 'lost', reason: 'slow_query_api', count: '7' });
  assert.equal(frames[1].type, 'unreachable');
});

test('a slow client loses rows, is told how many, and nobody else waits', async () => {
  const slow = await watch('?types=flow');
  const fast = await watch('?types=flow');
  const total = 12_000;
  slow.socket.pause();
  for (let index = 0; index < total; index += 1) {
    collector.row(FLOWS, flow(SECOND, { interval_index: index }));
    // the fast client keeps up
    if (index % 500 === 0) await eventually('rows at the fast client', () => fast.frames.length > index);
  }
  await eventually('all rows at the fast client', () => fast.frames.length >= total, 20_000);
  slow.socket.resume();
  const told = await eventually(
    'the count of what was left out',
    () => {
      const lost = slow.frames
        .filter(({ type }: Frame) => type === 'lost')
        .reduce((sum: number, frame: Frame) => sum + Number(frame.count), 0);
      const rows = slow.frames.filter(({ type }: Frame) => type === 'flow').length;
      return lost + rows === total ? { lost, rows } : undefined;
    },
    20_000,
  );
  assert.ok(told.lost > 0, `${told.rows} rows came through`);
});

test('a collector that comes back is watched again', async () => {
  const { frames } = await watch('?types=flow');
  const { port } = collector;
  await collector.close();
  await eventually('the break to be told', () => frames.some(({ type }: Frame) => type === 'unreachable'));
  collector = await FakeCollector.start(port);
  await eventually('the feed to be taken up', () => collector.clients === 1);
  collector.row(FLOWS, flow(SECOND));
  await eventually('a row', () => frames.some(({ type }: Frame) => type === 'flow'));
});

test('who may not watch is told over HTTP', async () => {
  const origin = await refused('', { origin: 'https://evil.example' });
  assert.equal(origin.status, 403);
  assert.equal(origin.body.code, 'FLOW_QUERY_ORIGIN_REFUSED');
  const bad = await refused('?status=abc');
  assert.equal(bad.status, 400);
  assert.equal(bad.body.parameter, 'status');
  for (let index = 0; index < 4; index += 1) await watch();
  const many = await refused('');
  assert.equal(many.status, 503);
  assert.equal(many.body.code, 'FLOW_QUERY_TOO_MANY_WATCHERS');
  assert.equal(many.body.limit, 'query_api.max_live_clients = 4');
});

test('the subprotocol is accepted', async () => {
  const { socket } = await watch('', { protocols: ['flowspan.live'], origin: scene.url });
  assert.equal(socket.protocol, 'flowspan.live');
});

test('completeness is told from time to time', async () => {
  const store = new Store(scene.store.reader({ database: 'flowspan' }), configFor(scene.store.url, {}).query_api);
  const hub = new LiveHub({ store, collectors: [], collectorToken: '', logger: silent(), completenessMs: 100 });
  const frames: Frame[] = [];
  const socket = {
    readyState: 1,
    OPEN: 1,
    bufferedAmount: 0,
    send: (text: string) => frames.push(JSON.parse(text)),
    close: () => undefined,
  };
  const watcher = new Watcher(socket as unknown as WebSocket, readLiveQuestion({}), EVERYTHING);
  await hub.add(watcher);
  await eventually('a completeness record', () => frames.some(({ type }) => type === 'completeness'));
  hub.remove(watcher);
  const { completeness } = frames.find(({ type }) => type === 'completeness');
  assert.equal(completeness.complete, false, 'nobody reported');
  assert.equal(completeness.unobserved.length, 1);
});
