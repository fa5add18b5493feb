import assert from 'node:assert/strict';
import { once } from 'node:events';
import test, { type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Counters } from '../../collector/src/counters.ts';
import { CollectorHttp } from '../../collector/src/deliver/http.ts';
import { LiveFeed } from '../../collector/src/deliver/live.ts';
import type { Scrapes } from '../../collector/src/deliver/prometheus/scrapes.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { FLOWS, LOSSES, REQUESTS } from '../../store/tables.ts';
import { openPath } from './support/path.ts';
import { connection, record } from './support/records.ts';

async function open(t: TestContext, { token = '', maxClients = 2, clientBufferBytes = 1e6, rowsPerSecond = 1e6 } = {}) {
  const counters = new Counters();
  const live = new LiveFeed({ counters, maxClients, clientBufferBytes, rowsPerSecond });
  const reasons: string[] = [];
  const status = () => ({ version: 'x' });
  const metrics = new Map<string, Scrapes>();
  const http = new CollectorHttp({ host: '127.0.0.1', port: 0, token, live, notReady: () => reasons, status, metrics });
  const address = `127.0.0.1:${await http.listen()}`;
  t.after(() => http.close());
  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`http://${address}${path}`, init);
    return {
      status: response.status,
      body: (await response.json()) as Record<string, unknown>,
      headers: response.headers,
    };
  };
  const watch = async (headers: Record<string, string> = {}) => {
    const socket = new WebSocket(`ws://${address}/live`, { headers });
    const frames: { type: string; row?: Record<string, unknown>; count?: number }[] = [];
    socket.on('message', (data) => frames.push(JSON.parse(String(data))));
    t.after(() => socket.terminate());
    const refused = once(socket, 'unexpected-response').then(([, response]) => Number(response.statusCode));
    const opened = once(socket, 'open').then(() => 101);
    opened.catch(() => undefined);
    refused.catch(() => undefined);
    return { status: await Promise.race([opened, refused]), socket, frames };
  };
  return { counters, live, get, watch, reasons, address };
}

async function until(what: () => boolean): Promise<void> {
  for (let turns = 0; turns < 300 && !what(); turns += 1) await wait(10);
  assert.ok(what(), what.toString());
}

const flow = () => encodeRow(FLOWS, { time: 1n, boot_id: '11111111-2222-3333-4444-555555555555', command: 'curl' });

test('health, readiness and status', async (t) => {
  const { get, reasons } = await open(t);
  assert.equal((await get('/healthz')).status, 200);
  assert.deepEqual((await get('/readyz?x=1')).body, { ready: true, reasons: [] });
  reasons.push('not yet');
  const notReady = await get('/readyz');
  assert.deepEqual([notReady.status, notReady.body], [503, { ready: false, reasons: ['not yet'] }]);
  assert.deepEqual((await get('/status')).body, { version: 'x' });
  const missing = await get('/nowhere');
  assert.deepEqual([missing.status, missing.headers.get('content-type')], [404, 'application/problem+json']);
  assert.equal((await get('/status', { method: 'POST' })).status, 405);
});

test('with a token, only who shows it sees status and live feed', async (t) => {
  const { get, watch } = await open(t, { token: 'secret' });
  assert.equal((await get('/healthz')).status, 200);
  assert.equal((await get('/status')).status, 401);
  assert.equal((await get('/status', { headers: { authorization: 'Bearer wrong' } })).status, 401);
  assert.equal((await get('/status', { headers: { authorization: 'Bearer secret' } })).status, 200);
  assert.equal((await watch()).status, 401);
  assert.equal((await watch({ authorization: 'Bearer secret' })).status, 101);
});

test('pages from elsewhere may not watch', async (t) => {
  const { watch, address } = await open(t);
  assert.equal((await watch({ origin: 'https://evil.test' })).status, 403);
  assert.equal((await watch({ origin: 'null' })).status, 403);
  assert.equal((await watch({ origin: `http://${address}` })).status, 101);
});

test('no more clients than configured', async (t) => {
  const { watch } = await open(t, { maxClients: 1 });
  assert.equal((await watch()).status, 101);
  assert.equal((await watch()).status, 503);
});

test('rows are told as objects, of hot tables only, and only while somebody watches', async (t) => {
  const { live, watch } = await open(t);
  assert.equal(live.wants(FLOWS), false);
  const { frames, socket } = await watch();
  await until(() => live.clients === 1);
  assert.deepEqual([live.wants(FLOWS), live.wants(REQUESTS), live.wants(LOSSES)], [true, true, false]);
  live.row(FLOWS, flow());
  await until(() => frames.length === 1);
  assert.equal(frames[0]!.type, 'flow');
  assert.equal(frames[0]!.row!.command, 'curl');
  socket.close();
  await until(() => live.clients === 0);
  assert.equal(live.wants(FLOWS), false);
});

test('a client that does not read loses rows, which are counted and told to it', async (t) => {
  const { live, watch, counters } = await open(t, { clientBufferBytes: 16 * 1024 });
  const { frames, socket } = await watch();
  await until(() => live.clients === 1);
  socket.pause();
  const row = flow();
  let sent = 0;
  for (; counters.discards.live_row_skipped === 0 && sent < 100_000; sent += 1) {
    live.row(FLOWS, row);
    if (sent % 100 === 0) await wait(0);
  }
  for (let more = 0; more < 9; more += 1, sent += 1) live.row(FLOWS, row);
  const skipped = counters.discards.live_row_skipped;
  assert.ok(skipped >= 1);
  socket.resume();
  await until(() => frames.length === sent - skipped);
  live.row(FLOWS, row);
  await until(() => frames.length === sent - skipped + 2);
  assert.deepEqual(frames.at(-2), { type: 'lost', count: skipped });
});

test('watching never costs more rows per second than allowed', async (t) => {
  const { live, watch, counters } = await open(t, { rowsPerSecond: 10 });
  await watch();
  await until(() => live.clients === 1);
  for (let index = 0; index < 100; index += 1) live.row(FLOWS, flow());
  assert.ok(counters.discards.live_row_skipped >= 80);
});

test('the pipeline feeds the rows it writes', async (t) => {
  const { live, watch } = await open(t);
  const { frames } = await watch();
  await until(() => live.clients === 1);
  const path = openPath({ sinks: [live] });
  const [row] = path.feed('flows', record('flow', connection()));
  await until(() => frames.length === 1);
  assert.deepEqual(frames[0]!.row, row);
});
