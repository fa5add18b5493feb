/** GET /metrics of the query API. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { loadConfig } from '../../collector/src/config.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { QueryApiMetrics } from '../../query-api/src/metrics.ts';
import { COLLECTOR_REPORTS } from '../../store/tables.ts';
import { assertPublishedNames } from '../support/metric_names.ts';
import { promtoolComplaints, whyNoJudge } from '../support/metrics.ts';
import { flowspanNames, seriesValue } from '../support/series.ts';
import { report, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start({ token: 'secret' });
});
after(() => scene.close());

const authorization = 'Bearer secret';
const get = (path: string, init: RequestInit = {}) =>
  fetch(`${scene.url}${path}`, { headers: { authorization }, ...init });
const page = async () => await (await get('/metrics')).text();
const requests = (route: string, status: string | number) =>
  `flowspan_query_api_requests_total{route="${route}",status="${status}"}`;

/** By how much series grow while `work` is done. */
async function growth(series: readonly string[], work: () => Promise<unknown>): Promise<number[]> {
  const was = await page();
  await work();
  const is = await page();
  return series.map((one) => seriesValue(is, one) - seriesValue(was, one));
}

test('the names are those of the list, here and where it answers', async () => {
  const { page: own } = new QueryApiMetrics(() => 0);
  const spans = await startOwnSpans('query-api', loadConfig([], {}));
  own.add(() => spans.families());
  await assertPublishedNames(own, new URL('metric_names.txt', import.meta.url));
  assert.deepEqual(flowspanNames(await page()), flowspanNames((await own.answer(undefined)).body));
});

test("the text passes Prometheus' own check", { skip: whyNoJudge() }, async () => {
  assert.equal(promtoolComplaints(await page()), '');
});

test('it asks for the token like any other route, and HEAD is GET without a body', async () => {
  assert.equal((await get('/metrics', { headers: {} })).status, 401);
  const head = await get('/metrics', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.match(head.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.equal(await head.text(), '');
  const open = await get('/metrics', { headers: { authorization, accept: 'application/openmetrics-text' } });
  assert.match(open.headers.get('content-type') ?? '', /^application\/openmetrics-text/);
  assert.match(await open.text(), /# EOF\n$/);
});

test('requests are counted by route and status, with what is refused and what is not there', async () => {
  const series = [
    requests('/v1/requests', 200),
    requests('/v1/requests', 400),
    requests('/v1/requests', 401),
    requests('/v1/requests/:id', 404),
    requests('none', 404),
    'flowspan_query_api_request_seconds_count{route="/v1/requests"}',
  ];
  const grown = await growth(series, async () => {
    await get('/v1/requests?since=5m');
    await get('/v1/requests?nonesuch=1');
    await get('/v1/requests', { headers: {} });
    await get('/nonesuch/with/an/id/4711');
    const { data } = (await (await get('/v1/requests?since=5m')).json()) as { data: unknown[] };
    assert.deepEqual(data, []);
    await get(`/v1/requests/${Buffer.alloc(60).toString('base64url')}`);
  });
  assert.deepEqual(grown.slice(0, 3), [2, 1, 1]);
  assert.deepEqual(grown.slice(4), [1, 4]);
  assert.equal(seriesValue(await page(), 'flowspan_query_api_requests_in_progress'), 1, 'the one that asks');
});

test('a client that leaves is counted as gone', async () => {
  const gone = async () => seriesValue(await page(), requests('/v1/edges', 'gone'));
  const before = await gone();
  const { hostname, port } = new URL(scene.url);
  const socket = connect(Number(port), hostname);
  const lines = ['GET /v1/edges?since=1h HTTP/1.1', `Host: ${hostname}`, `Authorization: ${authorization}`, '', ''];
  // its end arrives behind its request, before ClickHouse can have answered
  socket.write(lines.join('\r\n'), () => socket.destroy());
  await eventually('the count', async () => (await gone()) === before + 1);
  const inProgress = async () => seriesValue(await page(), 'flowspan_query_api_requests_in_progress');
  await eventually('its end', async () => (await inProgress()) === 1);
});

test('answers that do not hold everything are counted', async () => {
  const series = ['flowspan_query_api_incomplete_answers_total{route="/v1/flows"}'];
  assert.deepEqual(await growth(series, () => get('/v1/flows?since=5m')), [1]);
  await scene.insert(COLLECTOR_REPORTS, [report(0n), report(20n * SECOND)]);
  assert.deepEqual(await growth(series, () => get(`/v1/flows?${window(10)}`)), [0]);
});

test('queries to the store are measured, those that fail by their code', async () => {
  const count = (result: string) => `flowspan_query_api_store_query_seconds_count{result="${result}"}`;
  const [queries] = await growth([count('ok')], () => get('/v1/flows?since=5m'));
  assert.ok(Number(queries) >= 2);
});

test('who watches the live feed is seen', async () => {
  const watching = async () => seriesValue(await page(), 'flowspan_query_api_live_clients');
  assert.equal(await watching(), 0);
  const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/v1/live`, { headers: { authorization } });
  try {
    await eventually('the watcher', async () => (await watching()) === 1);
  } finally {
    socket.close();
  }
  await eventually('its end', async () => (await watching()) === 0);
});
