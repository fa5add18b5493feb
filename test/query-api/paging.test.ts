/** Pages: every row once, in order, while rows arrive. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FLOWS, REQUESTS } from '../../store/tables.ts';
import { BEGIN, clientView, flow, MS, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
after(() => scene.close());

type Row = Record<string, string>;

/** Follows `next` from the first page to the last. */
async function pages(path: string, between: (page: number) => Promise<void> = async () => {}): Promise<Row[][]> {
  const found: Row[][] = [];
  for (let next: string | null = ''; next !== null && found.length < 500; ) {
    const { status, body, text } = await scene.get(next === '' ? path : `${path}&cursor=${next}`);
    assert.equal(status, 200, text);
    found.push(body.data);
    next = body.next;
    await between(found.length);
  }
  return found;
}

const times = (rows: readonly Row[]) => rows.map((row) => row.time!);
const ids = (rows: readonly Row[]) => rows.map((row) => row.id ?? `${row.flow_id} ${row.time}`);

test('pages hold every row once, newest first, while newer and older rows arrive', async () => {
  const rows = Array.from({ length: 230 }, (_, index) =>
    // rows of the same nanosecond are told apart by their key
    request(BigInt(Math.floor(index / 3)) * SECOND, { source_port: 42000, socket_cookie: BigInt(index) }),
  );
  await scene.insert(REQUESTS, rows);
  const found = await pages(`/v1/requests?${window(300)}&source_port=42000&limit=17`, async (page) => {
    await scene.insert(REQUESTS, [
      request(299n * SECOND, { source_port: 42000, socket_cookie: BigInt(10_000 + page) }),
    ]);
  });
  const all = found.flat();
  assert.equal(new Set(ids(all)).size, all.length, 'no row twice');
  assert.equal(all.length, 230, 'what arrived ahead of the first page is left to the next question');
  assert.deepEqual(times(all), times(all).toSorted().reverse());
  assert.ok(found.slice(0, -1).every((page) => page.length === 17));
});

test('pages in the order of time see what arrives behind them', async () => {
  await scene.insert(
    FLOWS,
    Array.from({ length: 40 }, (_, index) =>
      flow(BigInt(index) * SECOND, { source_port: 42001, interval_index: index }),
    ),
  );
  const found = await pages(`/v1/flows?${window(300)}&source_port=42001&limit=10&order=time`, async (page) => {
    if (page <= 3)
      await scene.insert(FLOWS, [
        flow(BigInt(100 + page) * SECOND, { source_port: 42001, interval_index: 100 + page }),
      ]);
  });
  const all = found.flat();
  assert.equal(all.length, 43);
  assert.deepEqual(times(all), times(all).toSorted());
});

test('a window of `15m` is the same on every page', async () => {
  const now = BigInt(Date.now()) * MS;
  const at = (index: number) => now - BEGIN - BigInt(index) * SECOND;
  await scene.insert(
    FLOWS,
    Array.from({ length: 6 }, (_, index) => flow(at(index + 1), { source_port: 42002 })),
  );
  const path = '/v1/flows?since=1m&source_port=42002&limit=2';
  const found = await pages(path, async () => {
    await scene.insert(FLOWS, [flow(BigInt(Date.now()) * MS - BEGIN, { source_port: 42002 })]);
  });
  assert.deepEqual(
    found.map((page) => page.length),
    [2, 2, 2],
  );
});

test('pages ordered by another column are stable as well', async () => {
  await scene.insert(
    REQUESTS,
    Array.from({ length: 60 }, (_, index) =>
      request(BigInt(index) * SECOND, {
        source_port: 42003,
        socket_cookie: BigInt(index),
        duration_ns: BigInt(index % 7) * MS + MS,
      }),
    ),
  );
  const found = await pages(`/v1/requests?${window(300)}&source_port=42003&limit=9&order=-duration_ns`);
  const durations = found.flat().map((row) => Number(row.duration_ns));
  assert.equal(durations.length, 60);
  assert.deepEqual(
    durations,
    durations.toSorted((a, b) => b - a),
  );
});

test('pages of requests that both ends saw hold each once', async () => {
  const servers = Array.from({ length: 100 }, (_, index) =>
    request(BigInt(index) * SECOND, { source_port: 42004, request_index: index }),
  );
  await scene.insert(REQUESTS, [...servers, ...servers.map((server) => clientView(server))]);
  const found = await pages(`/v1/requests?${window(300)}&source_port=42004&limit=15`);
  assert.deepEqual(
    found.map((page) => page.length),
    [15, 15, 15, 15, 15, 15, 10],
  );
  assert.ok(found.flat().every((row) => row.other_side !== null));
});

test('pages of groups hold every group once', async () => {
  await scene.insert(
    REQUESTS,
    Array.from({ length: 50 }, (_, index) =>
      request(SECOND, { source_port: 42005, resource: `/r/${index}`, socket_cookie: BigInt(index) }),
    ),
  );
  const found = await pages(`/v1/requests?${window(300)}&source_port=42005&group_by=resource&limit=20`);
  assert.deepEqual(
    found.map((page) => page.length),
    [20, 20, 10],
  );
  assert.equal(new Set(found.flat().map((row) => row.resource)).size, 50);
});

test('a cursor belongs to its question', async () => {
  const { body } = await scene.get(`/v1/requests?${window(300)}&source_port=42000&limit=2`);
  for (const path of [
    `/v1/requests?${window(300)}&source_port=42001&limit=2&cursor=${body.next}`,
    `/v1/flows?${window(300)}&source_port=42000&limit=2&cursor=${body.next}`,
    `/v1/requests?${window(300)}&source_port=42000&order=time&cursor=${body.next}`,
    `/v1/requests?${window(300)}&source_port=42000&cursor=zzz`,
    `/v1/requests?${window(300)}&source_port=42000&cursor=${body.next}x`,
  ]) {
    const answer = await scene.get(path);
    assert.equal(answer.status, 400, path);
    assert.equal(answer.body.code, 'FLOW_QUERY_BAD_CURSOR');
  }
  const larger = await scene.get(`/v1/requests?source_port=42000&limit=5&cursor=${body.next}`);
  assert.equal(larger.body.data.length, 5, 'the size of a page may change');
});

test('ordered by a column that is larger at the client, pages still hold what counts', async () => {
  const servers = Array.from({ length: 30 }, (_, index) =>
    request(BigInt(index) * SECOND, {
      source_port: 42006,
      request_index: index,
      duration_ns: MS + BigInt(index),
      socket_cookie: BigInt(index) * 2n,
    }),
  );
  await scene.insert(REQUESTS, [...servers, ...servers.map((server) => clientView(server, 50n * MS))]);
  const found = await pages(`/v1/requests?${window(300)}&source_port=42006&limit=8&order=-duration_ns`);
  assert.deepEqual(
    found.map((page) => page.length),
    [8, 8, 8, 6],
  );
  const rows = found.flat() as unknown as {
    duration_ns: string;
    http_path: string;
    other_side: { duration_ns: string };
  }[];
  assert.deepEqual(
    rows.map((row) => Number(row.duration_ns)),
    servers.map((_, index) => 1_000_000 + index).reverse(),
  );
  assert.ok(rows.every((row) => row.http_path === '/items/7' && Number(row.other_side.duration_ns) > 100_000_000));
});
