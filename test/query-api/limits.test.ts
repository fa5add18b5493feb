/** A question that is too dear is cut off with the limit named; the store and the API live on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startQueryApi } from '../../query-api/src/main.ts';
import { REQUESTS } from '../../store/tables.ts';
import { request, SECOND, window } from './rows.ts';
import { configFor, Scene, silent } from './scene.ts';

let scene: Scene;

before(async () => {
  scene = await Scene.start();
  await scene.insert(REQUESTS, [request(SECOND, { source_port: 43000 })]);
  await scene.command(
    `INSERT INTO requests (time, destination_endpoint_id, source_endpoint_id, resource, given_http_path, duration_ns, source_port, socket_cookie)
       SELECT now64(9) - toIntervalMillisecond(number), number % 50, number % 30, toString(number % 200),
              concat('/p/', toString(number)), cityHash64(number) % 1000000000, number % 60000, number FROM numbers(2000000)`,
  );
});
after(() => scene.close());

/** Asks an API of its own, with other limits, over the same store. */
async function ask(limits: Record<string, number>, path: string) {
  const api = await startQueryApi(configFor(scene.store.url, limits), silent());
  try {
    const response = await fetch(`http://${api.listen}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  } finally {
    await api.close();
  }
}

const DEAR =
  '/v1/requests?since=1h&group_by=source_port,resource&measures=count,p99_duration_ns,p50_duration_ns&limit=10';

async function stillAnswers() {
  const { status, body } = await scene.get(`/v1/requests?${window(60)}&source_port=43000`);
  assert.equal(status, 200);
  assert.equal(body.data.length, 1);
}

test('too many rows to look at', async () => {
  const { status, body } = await ask({ max_rows_to_read: 100_000 }, DEAR);
  assert.equal(status, 422);
  assert.equal(body.code, 'FLOW_QUERY_TOO_DEAR');
  assert.equal(body.limit, 'query_api.max_rows_to_read = 100000');
  assert.ok(body.next_step);
  await stillAnswers();
});

test('too much memory', async () => {
  const { status, body } = await ask({ max_memory_bytes: 16 * 1024 ** 2 }, DEAR);
  assert.equal(status, 503);
  assert.equal(body.code, 'FLOW_QUERY_OUT_OF_MEMORY');
  assert.equal(body.limit, `query_api.max_memory_bytes = ${16 * 1024 ** 2}`);
  await stillAnswers();
});

test('too long', async () => {
  const { status, body } = await ask({ max_execution_s: 0.02 }, DEAR.replace('source_port,', ''));
  assert.equal(status, 504, JSON.stringify(body));
  assert.equal(body.code, 'FLOW_QUERY_TOO_SLOW');
  assert.equal(body.limit, 'query_api.max_execution_s = 0.02');
  await stillAnswers();
});

test('the store’s own limits hold whatever the API is configured to', async () => {
  const { status, body } = await ask({ max_rows_to_read: 1e15, max_memory_bytes: 1e12 }, DEAR);
  assert.ok(
    status === 200 || body.code === 'FLOW_QUERY_OUT_OF_MEMORY' || body.code === 'FLOW_QUERY_TOO_SLOW',
    body.code,
  );
  await stillAnswers();
});

test('a client that goes away ends its question', async () => {
  const controller = new AbortController();
  const asked = fetch(`${scene.url}${DEAR}`, { signal: controller.signal }).catch((error: Error) => error.name);
  await sleep(100);
  controller.abort();
  assert.equal(await asked, 'AbortError');
  const reader = scene.store.reader();
  const running = async () => {
    const result = await reader.query({
      query: `SELECT count() AS n FROM system.processes WHERE query LIKE '%k0%' AND query NOT LIKE '%processes%'`,
      format: 'JSONEachRow',
    });
    return Number((await result.json<{ n: string }>())[0]!.n);
  };
  for (let round = 0; (await running()) > 0; round += 1) {
    assert.ok(round < 50, 'the query still runs');
    await sleep(100);
  }
  await stillAnswers();
});

test('many at once are answered or told to come again', async () => {
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => scene.get(`/v1/requests?${window(60)}&source_port=43000`)),
  );
  for (const answer of answers) assert.ok([200, 503].includes(answer.status), answer.text);
  assert.ok(answers.some((answer) => answer.status === 200));
});

test('the API ends within three seconds, whatever is being asked', async () => {
  const api = await startQueryApi(configFor(scene.store.url, {}), silent());
  const asked = fetch(`http://${api.listen}${DEAR.replace('group_by=', 'group_by=http_path,')}`).catch(() => undefined);
  await sleep(100);
  const begin = performance.now();
  await api.close();
  assert.ok(performance.now() - begin < 3000);
  await asked;
});

test('without a store, readiness and questions say so', async () => {
  const api = await startQueryApi(configFor('http://127.0.0.1:9', {}), silent());
  try {
    for (const path of ['/readyz', '/v1/flows']) {
      const response = await fetch(`http://${api.listen}${path}`);
      assert.equal(response.status, 503);
      const body = (await response.json()) as Record<string, string>;
      assert.equal(body.code, 'FLOW_QUERY_STORE_UNREACHABLE');
      assert.ok(body.next_step);
    }
    assert.equal((await fetch(`http://${api.listen}/healthz`)).status, 200);
  } finally {
    await api.close();
  }
});

test('a store without tables is not ready', async () => {
  const config = configFor(scene.store.url, {});
  const api = await startQueryApi({ ...config, clickhouse: { ...config.clickhouse, database: 'nowhere' } }, silent());
  try {
    for (const path of ['/v1/flows', '/readyz']) {
      const response = await fetch(`http://${api.listen}${path}`);
      assert.equal(response.status, 503);
      assert.equal(((await response.json()) as Record<string, string>).code, 'FLOW_QUERY_STORE_NOT_READY');
    }
  } finally {
    await api.close();
  }
});
