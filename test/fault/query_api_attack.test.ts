/**
 * The query API and the collector's HTTP under attack: every parameter of the API's own document, cursors made by hand,
 * WebSocket frames, requests that never end, crowds; answered with a code in time while others get their answers.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { Counters } from '../../collector/src/counters.ts';
import { CollectorHttp } from '../../collector/src/deliver/http.ts';
import { LiveFeed } from '../../collector/src/deliver/live.ts';
import { startQueryApi } from '../../query-api/src/main.ts';
import { insertSamples } from '../query-api/samples.ts';
import { configFor, Scene, silent } from '../query-api/scene.ts';
import { Crowd, sendRaw } from './support/raw_http.ts';

/** Asks every this many-th parameter, another one on each day; all of them in the soak (FLOWSPAN_ATTACK_WHOLE). */
const EVERY = process.env.FLOWSPAN_ATTACK_WHOLE ? 1 : 32;
const DAY = Math.floor(Date.now() / 86_400_000);

/** Every attack is answered within so long, milliseconds. */
const BOUND_MS = 5_000;
const WATCHERS = 5;

let scene: Scene;
before(async () => {
  scene = await Scene.start({ max_execution_s: 2, max_live_clients: WATCHERS }, ['--store-max-execution-s', '2']);
  await insertSamples(scene);
  await scene.command(
    `INSERT INTO requests (time, destination_endpoint_id, source_endpoint_id, resource, given_http_path, duration_ns, source_port, socket_cookie)
       SELECT now64(9) - toIntervalMillisecond(number), number % 50, number % 30, toString(number % 200),
              concat('/p/', toString(number)), cityHash64(number) % 1000000000, number % 60000, number FROM numbers(300000)`,
  );
});
after(() => scene.close());

const port = () => Number(new URL(scene.url).port);

/** What means something to some parser on the way. */
const EVIL = [
  "' UNION ALL SELECT 'injected' --",
  "x') OR 1=1 --",
  '{p0:String}',
  '\\',
  "\\' OR '1'='1",
  '1; DROP TABLE flows',
  '`; DROP TABLE flows',
  '$x$ injected $x$',
  '(SELECT file(/etc/passwd))',
  '%'.repeat(3000),
  '*a'.repeat(1500),
  `app in (${'a,'.repeat(200)}`,
  '99999999999999999999',
  '-1',
  '\u0000',
  '1..2..3',
  '__proto__',
  '/*',
];

test('every parameter of the document, with what means something to a parser', async (t) => {
  const { body: document } = await scene.get('/openapi.json');
  let asked = 0;
  let longest = 0;
  // What is POSTed goes by GET here: its parameters are refused like any other's, or the method is.
  for (const [path, methods] of Object.entries<Record<string, { parameters?: { name: string; in: string }[] }>>(
    document.paths,
  )) {
    const questions = (Object.values(methods)[0]?.parameters ?? []).map(({ name, in: place }) => {
      const value = encodeURIComponent(EVIL[asked++ % EVIL.length]!);
      return place === 'path' ? path.replace(`{${name}}`, value) : `${path}?${name}=${value}`;
    });
    const chosen = questions.filter((_, index) => (index + DAY) % EVERY === 0);
    for (let at = 0; at < chosen.length; at += 8) {
      const some = chosen.slice(at, at + 8).map(async (question) => {
        const begun = performance.now();
        const { status, body, text } = await scene.get(question);
        longest = Math.max(longest, performance.now() - begun);
        assert.ok([200, 400, 404, 405, 422, 426, 504].includes(status), `${question}: ${text}`);
        if (status !== 200) assert.match(body.code, /^FLOW_QUERY_/);
        else assert.deepEqual(body.data, [], question);
      });
      await Promise.all(some);
    }
  }
  assert.ok(asked > 200, `${asked} parameters`);
  t.diagnostic(`one in ${EVERY} of ${asked} parameters, longest answer ${Math.round(longest)} ms`);
  assert.ok(longest < BOUND_MS);
});

/** A cursor as anybody can make it: it is not signed. */
function cursor(route: string, asked: unknown[], ...values: (string | number | bigint)[]): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([route, asked]))
    .digest('base64url')
    .slice(0, 12);
  return Buffer.from([hash, ...values].join(' ')).toString('base64url');
}

test('a cursor made by hand lifts no limit', async () => {
  const year = 31_536_000_000_000_000n;
  for (const [path, status, code] of [
    [`/v1/flows?cursor=${cursor('flows', [], 0, 8n * 10n ** 18n, 5, 5)}`, 422, 'RANGE_TOO_LONG'],
    [`/v1/requests?cursor=${cursor('requests', [], 10n * year, 20n * year, 5, 5)}`, 422, 'RANGE_TOO_LONG'],
    [`/v1/endpoints?cursor=${cursor('endpoints', [], 0, 10n * year, 5, 5)}`, 422, 'RANGE_TOO_LONG'],
    [`/v1/edges?cursor=${cursor('edges', [], 0, 10n * year, 5)}`, 422, 'RANGE_TOO_LONG'],
    [`/v1/flows?cursor=${cursor('flows', [], 5, 5, 5, 5)}`, 400, 'BAD_VALUE'],
    [`/v1/flows?cursor=${cursor('flows', [], '9'.repeat(20), '9'.repeat(20), 5, 5)}`, 400, 'BAD_VALUE'],
    [`/v1/flows?cursor=${cursor('flows', [], 5, 50, 5, "5'")}`, 400, 'BAD_CURSOR'],

    ['/v1/requests?since=3650d&group_by=http_path,source_port', 422, 'RANGE_TOO_LONG'],
  ] as const) {
    const answer = await scene.get(path);
    assert.deepEqual([answer.status, answer.body.code], [status, `FLOW_QUERY_${code}`], `${path}: ${answer.text}`);
  }
});

const DEAR = '/v1/requests?since=31d&group_by=http_path,source_port,resource&measures=count,p99_duration_ns&limit=10';

test('dear questions of one leave others their answers', async (t) => {
  const ordinary = async () => {
    const took: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const { status, text, ms } = await sendRaw(
        port(),
        `GET /v1/flows?since=1h HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
        '127.0.0.9',
      );
      assert.equal(status, 200, text);
      took.push(ms);
    }
    return took.sort((a, b) => a - b);
  };
  const quiet = await ordinary();
  let attacking = true;
  const attack = Array.from({ length: 20 }, async () => {
    const codes: unknown[] = [];
    while (attacking) {
      const begun = performance.now();
      const { status, body } = await scene.get(DEAR);
      codes.push(status === 200 ? 200 : body.code);
      assert.ok(performance.now() - begun < BOUND_MS);
    }
    return codes;
  });
  const busy = await ordinary();
  attacking = false;
  const codes = new Set((await Promise.all(attack)).flat());
  t.diagnostic(
    `ordinary answers: median ${quiet[3]!.toFixed(0)} ms alone, ${busy[3]!.toFixed(0)} ms beside 20 dear askers ` +
      `(ratio ${(busy[3]! / quiet[3]!).toFixed(2)}), longest ${busy.at(-1)!.toFixed(0)} ms; those got ${[...codes]}`,
  );
  assert.ok(busy.at(-1)! < BOUND_MS);
  for (const code of codes) assert.match(String(code), /^(200|FLOW_QUERY_(TOO_SLOW|OUT_OF_MEMORY|STORE_BUSY))$/);
});

test('watchers: frames, numbers and questions', async () => {
  const url = `${scene.url.replace('http', 'ws')}/v1/live`;
  const open = async (search = '') => {
    const socket = new WebSocket(url + search);
    const refused = once(socket, 'unexpected-response').then(([, response]) => Number(response.statusCode));
    const opened = once(socket, 'open').then(() => 101);
    refused.catch(() => undefined);
    opened.catch(() => undefined);
    return { socket, status: await Promise.race([opened, refused]) };
  };
  const noisy = await open();
  const closed = once(noisy.socket, 'close');
  noisy.socket.send('x'.repeat(100_000));
  assert.equal((await closed)[0], 1009);
  for (const search of ['?nonsense=1', "?types='", `?label=${encodeURIComponent('a in (')}`]) {
    assert.equal((await open(search)).status, 400, search);
  }
  const crowd = await Promise.all(Array.from({ length: 4 * WATCHERS }, () => open()));
  const statuses = crowd.map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 101).length, WATCHERS, statuses.join());
  assert.ok(statuses.every((status) => status === 101 || status === 503));
  for (const { socket } of crowd) socket.terminate();
});

async function assertGuarded(at: number, path: string, code: RegExp): Promise<string> {
  const slow = await Promise.all([
    sendRaw(at, ''),
    sendRaw(at, `GET ${path} HTTP/1.1\r\nX-A: `),
    sendRaw(at, `GET ${path} HTTP/1.1\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`),
    sendRaw(at, 'BREW / HTTP/9.9\r\n\r\n'),
  ]);
  assert.deepEqual(
    slow.map(({ status }) => status),
    [408, 408, 431, 400],
  );
  for (const { text, ms } of slow) {
    assert.match(text, /application\/problem\+json/);
    assert.match(text, code);
    assert.ok(ms < BOUND_MS + 1000, `${ms} ms`);
  }
  const crowd = new Crowd(at, '127.0.0.2', '127.0.0.3', '127.0.0.4');
  await crowd.open(2_500);
  const { status, ms } = await sendRaw(at, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  assert.equal(status, 200);
  assert.ok(ms < BOUND_MS);
  assert.ok((await crowd.shrunk(1024)) <= 1024, `${crowd.left} are open`);
  const told = `${crowd.left} of 2,500 connections open; ${path} in ${Math.round(ms)} ms`;
  crowd.close();
  return told;
}

test("the API's and the collector's HTTP: slow requests are ended, a crowd leaves room for others", async (t) => {
  const live = new LiveFeed({ counters: new Counters(), maxClients: 2, clientBufferBytes: 1e6, rowsPerSecond: 1e3 });
  const http = new CollectorHttp({
    host: '127.0.0.1',
    port: 0,
    token: '',
    live,
    notReady: () => [],
    status: () => ({}),
    metrics: new Map(),
  });
  const collector = await http.listen();
  t.after(() => http.close());
  const told = await Promise.all([
    assertGuarded(port(), '/healthz', /FLOW_QUERY_/),
    assertGuarded(collector, '/healthz', /too slowly/),
  ]);
  for (const one of told) t.diagnostic(one);
});

test('who asks behind a trusted proxy is told apart, and nobody else is believed', async (t) => {
  const askers = new Set<unknown>();
  const clickhouse = createServer((request, response) => {
    askers.add(request.headers['x-clickhouse-quota']);
    request.resume();
    response.writeHead(500).end();
  });
  t.after(() => clickhouse.close());
  await once(clickhouse.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(clickhouse.address() as AddressInfo).port}`;
  const start = async (trusted_proxies: string[]) => {
    const api = await startQueryApi(configFor(url, { trusted_proxies }), silent());
    t.after(() => api.close());
    return async (from: string, forwarded: string) => {
      askers.clear();
      await sendRaw(
        Number(new URL(`http://${api.listen}`).port),
        `GET /v1/flows HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: ${forwarded}\r\nConnection: close\r\n\r\n`,
        from,
      );
      return [...askers];
    };
  };
  const direct = await start([]);
  assert.deepEqual(await direct('127.0.0.2', '203.0.113.7'), ['127.0.0.2']);
  const proxied = await start(['127.0.0.2/32', '192.0.2.0/24']);
  assert.deepEqual(await proxied('127.0.0.2', '203.0.113.7'), ['203.0.113.7']);
  assert.deepEqual(await proxied('127.0.0.2', '198.51.100.1, 203.0.113.8, 192.0.2.4'), ['203.0.113.8']);
  assert.deepEqual(await proxied('127.0.0.3', '203.0.113.7'), ['127.0.0.3']);
});
