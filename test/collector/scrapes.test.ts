/** GET /metrics under scrapers of every kind: nothing else of the process may notice. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Counters } from '../../collector/src/counters.ts';
import { CollectorHttp } from '../../collector/src/deliver/http.ts';
import { LiveFeed } from '../../collector/src/deliver/live.ts';
import { Scrapes, type ScrapesOptions } from '../../collector/src/deliver/prometheus/scrapes.ts';
import { CONTENT_TYPES, type Family, formatOf, metricsText } from '../../collector/src/telemetry/metrics_text.ts';

/** More than the buffers of two sockets hold. */
const LINES = 100_000;
const LONG = 30_000;
const LINE_TEXT = 'x'.repeat(200);

/** A page of many lines, each of them written when it is asked for. */
function manyLines(lines: number, each: () => void = () => undefined): ScrapesOptions['pieces'] {
  return (accept) => {
    const format = formatOf(accept);
    const samples = function* (): Generator<{ suffix: string; labels: string; value: number }> {
      for (let line = 0; line < lines; line += 1) {
        each();
        yield { suffix: '', labels: `line="${line}",text="${LINE_TEXT}"`, value: line };
      }
    };
    const family: Family = { name: 'flowspan_test', help: 'A test.', type: 'gauge', samples: samples() };
    return { contentType: CONTENT_TYPES[format], body: metricsText([family], format) };
  };
}

async function open(t: TestContext, options: ScrapesOptions, token = ''): Promise<{ url: string; port: number }> {
  const live = new LiveFeed({ counters: new Counters(), maxClients: 1, clientBufferBytes: 1e6, rowsPerSecond: 1 });
  const http = new CollectorHttp({
    host: '127.0.0.1',
    port: 0,
    token,
    live,
    notReady: () => [],
    status: () => ({}),
    metrics: new Map([['/metrics', new Scrapes(options)]]),
  });
  const port = await http.listen();
  t.after(() => http.close());
  return { url: `http://127.0.0.1:${port}`, port };
}

/** A scraper that asks and does not read. */
function neverReads(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.on('error', () => undefined);
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
  t.after(() => socket.destroy());
  return socket;
}

test('the token rule is the one of /status; HEAD has no body', async (t) => {
  const { url } = await open(t, { pieces: manyLines(1) }, 'secret');
  assert.equal((await fetch(`${url}/metrics`)).status, 401);
  const headers = { authorization: 'Bearer secret' };
  const got = await fetch(`${url}/metrics`, { headers });
  assert.deepEqual([got.status, got.headers.get('content-type')], [200, CONTENT_TYPES.text]);
  assert.match(await got.text(), /^flowspan_test\{line="0"/m);
  const head = await fetch(`${url}/metrics`, {
    method: 'HEAD',
    headers: { ...headers, accept: 'application/openmetrics-text' },
  });
  assert.deepEqual([head.status, head.headers.get('content-type')], [200, CONTENT_TYPES.openmetrics]);
  assert.equal(await head.text(), '');
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST', headers })).status, 405);
});

test('a long answer is whole, and other work gets its turn all the while', async (t) => {
  let made = 0;
  const { url } = await open(t, {
    pieces: manyLines(LONG, () => {
      made += 1;
    }),
  });
  const between: number[] = [];
  let before = 0;
  let running = true;
  const tick = () => {
    between.push(made - before);
    before = made;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  const text = await (await fetch(`${url}/metrics`)).text();
  running = false;
  assert.equal(text.trim().split('\n').length, LONG + 2);
  // Several scrapes at once take turns piece by piece too.
  assert.ok(Math.max(...between) <= 1000, `${Math.max(...between)} lines in one turn`);
  before = made;
  between.length = 0;
  running = true;
  setImmediate(tick);
  await Promise.all([1, 2, 3].map(async () => (await fetch(`${url}/metrics`)).text()));
  running = false;
  assert.ok(Math.max(...between) <= 1000, `${Math.max(...between)} lines in one turn of three scrapes`);
});

test('a scraper that does not read delays no other, and is cut off', async (t) => {
  let made = 0;
  const { url, port } = await open(t, {
    pieces: manyLines(LINES, () => {
      made += 1;
    }),
    longestMs: 1500,
  });
  const slow = neverReads(t, port);
  const cutOff = new Promise((resolve) => slow.on('close', resolve));
  await wait(300);
  const rendered = made;
  assert.ok(rendered > 0 && rendered < LINES, `${rendered} lines rendered for a scraper that reads none`);
  const text = await (await fetch(`${url}/metrics`)).text();
  assert.equal(text.trim().split('\n').length, LINES + 2);
  slow.resume();
  await cutOff;
});

test('beyond four at once a scrape is refused, and taken again when one has ended', async (t) => {
  const { url, port } = await open(t, { pieces: manyLines(LINES), longestMs: 1000 });
  for (let each = 0; each < 4; each += 1) neverReads(t, port);
  await wait(300);
  const refused = await fetch(`${url}/metrics`);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
  assert.match(await refused.text(), /other scrapes/);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  await wait(1200);
  const taken = await fetch(`${url}/metrics`);
  assert.equal(taken.status, 200);
  await taken.body?.cancel();
});

test('a scraper that hangs up leaves nothing behind', async (t) => {
  const { url, port } = await open(t, { pieces: manyLines(LINES) });
  for (let each = 0; each < 12; each += 1) {
    const socket = neverReads(t, port);
    await wait(30);
    socket.destroy();
    await wait(30);
  }
  assert.equal((await fetch(`${url}/metrics`)).status, 200);
});

test('what cannot be answered is a problem, not a crash', async (t) => {
  const { url } = await open(t, {
    pieces: () => {
      throw new Error('the kernel does not count');
    },
  });
  const answer = await fetch(`${url}/metrics`);
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [503, 'application/problem+json']);
  assert.match(await answer.text(), /the kernel does not count/);
  const broken = await open(t, {
    pieces: () => ({
      contentType: 'text/plain',
      // biome-ignore lint/correctness/useYield: it fails before it has anything to give
      body: (async function* () {
        throw new Error('later');
      })(),
    }),
  });
  await assert.rejects(fetch(`${broken.url}/metrics`).then((response) => response.text()));
  assert.equal((await fetch(`${broken.url}/healthz`)).status, 200);
});
