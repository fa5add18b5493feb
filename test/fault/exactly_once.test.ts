/** Each segment is stored once, wherever its INSERT breaks off: in the rows, in what views make of them, in edges_1m. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { BUILD_SETTINGS, buildSql } from '../../store/edge_builds.ts';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { REQUESTS } from '../../store/tables.ts';
import { RunningStore } from '../store/running_store.ts';
import { AnswerCutter } from '../support/answer_cutter.ts';
import { minuteAgoNs, requestRow } from './support/request_rows.ts';
import { openSending, SCOPE, type Sending, type SendingOptions } from './support/sending.ts';

const ROWS = 600;
const SEND = join(import.meta.dirname, 'support/send_until_killed.ts');

let store: RunningStore;
let cutter: AnswerCutter;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
  cutter = await AnswerCutter.start(Number(new URL(store.url).port));
});
after(async () => {
  await cutter.stop();
  await store.close();
});

const password = () => readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();

async function open(options: Partial<SendingOptions> = {}): Promise<Sending> {
  return openSending({ url: cutter.url, password: password(), ...options });
}

async function ask<Row = number[]>(query: string): Promise<Row[]> {
  return (await store.writer().query({ query, format: 'JSONCompactEachRow' })).json<Row>();
}

async function command(query: string): Promise<void> {
  await store.writer({ database: 'flowspan' }).command({ query });
}

/** Minutes of a case: none has those of another. */
const BASE_NS = minuteAgoNs(20);
let minutes = 0n;
function nextCase(): bigint {
  minutes += 1n;
  return BASE_NS - minutes * 60_000_000_000n;
}

function give(sending: Sending, firstNs: bigint, rows = ROWS): void {
  for (let row = 0; row < rows; row += 1) sending.delivery.add(REQUESTS, requestRow(firstNs, row));
  sending.delivery.flush(Date.now());
  sending.delivery.flush(Date.now() + 120_000);
}

const sent = (sending: Sending, rows = ROWS) =>
  eventually('the rows to be stored', async () => sending.stored.requests === rows, 30_000);

/** What has been sent once: begin of its minute. Views and edges_1m are looked at when all is there. */
const cases: bigint[] = [];

async function assertOneCopy(firstNs: bigint): Promise<void> {
  cases.push(firstNs);
  const minute = Number(firstNs / 1_000_000_000n);
  const times = [minute, minute - 3600].map((at) => `(time >= ${at} AND time < ${at + 60})`).join(' OR ');
  assert.deepEqual(await ask(`SELECT toUInt32(count()) FROM flowspan.requests WHERE ${times}`), [[ROWS]]);
}

for (const manner of ['swallow', 'cut'] as const) {
  const where = manner === 'swallow' ? 'after the commit, before the answer' : 'in the middle of the rows';
  test(`a connection that breaks ${where} leaves one copy`, async (t) => {
    const firstNs = nextCase();
    const sending = await open();
    t.after(() => sending.close());
    cutter.set(manner);
    give(sending, firstNs);
    sending.delivery.start();
    await eventually('the connection to break', async () => cutter.cuts > 0, 10_000);
    cutter.set('open');
    await sent(sending);
    await assertOneCopy(firstNs);
  });
}

test('a store that is killed with the answer under way leaves one copy', async (t) => {
  const firstNs = nextCase();
  const sending = await open();
  t.after(() => sending.close());
  cutter.set('hold');
  give(sending, firstNs);
  sending.delivery.start();
  await eventually('the answer to come', async () => cutter.cuts > 0, 10_000);
  await store.kill('SIGKILL');
  await store.restart();
  cutter.target = Number(new URL(store.url).port);
  cutter.set('open');
  await sent(sending);
  await assertOneCopy(firstNs);
});

test('a collector that is killed with the answer under way leaves one copy', async (t) => {
  const firstNs = nextCase();
  const dataDir = mkdtempSync(join(tmpdir(), 'flowspan-killed-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  cutter.set('hold');
  const child = spawn(process.execPath, [SEND, cutter.url, password(), dataDir, String(firstNs), String(ROWS)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await eventually('the answer to come', async () => cutter.cuts > 0, 20_000);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  cutter.set('open');
  const sending = await open({ dataDir });
  t.after(() => sending.close());
  sending.delivery.start();
  await sent(sending);
  await assertOneCopy(firstNs);
});

/** INSERTs of others that the server remembers instead. */
async function passWindow(firstNs: bigint): Promise<void> {
  for (let other = 1; other <= 4; other += 1) {
    const time = firstNs - BigInt(other) * 86_400_000_000_000n;
    await insert(
      [encodeRow(REQUESTS, { time }), encodeRow(REQUESTS, { time: time - 1n })],
      `other-${other}-${firstNs}`,
    );
    await insert(
      [encodeRow(REQUESTS, { time: firstNs - 7_200_000_000_000n - time, pid: 1 })],
      `more-${other}-${firstNs}`,
    );
  }
}

async function insert(rows: readonly Buffer[], token: string): Promise<void> {
  const query = new URLSearchParams({
    query: `INSERT INTO flowspan.requests ${insertColumns(REQUESTS)} FORMAT RowBinary`,
    insert_deduplication_token: token,
  });
  const response = await fetch(`${store.url}/?${query}`, {
    method: 'POST',
    headers: { 'X-ClickHouse-User': 'collector', 'X-ClickHouse-Key': password() },
    body: new Uint8Array(Buffer.concat(rows)),
  });
  assert.ok(response.ok, await response.text());
}

test('beyond the server’s window it is asked, and what is there is not sent again', async (t) => {
  const firstNs = nextCase();
  await command('ALTER TABLE requests MODIFY SETTING non_replicated_deduplication_window = 1');
  t.after(() => command('ALTER TABLE requests MODIFY SETTING non_replicated_deduplication_window = 100000'));
  const sending = await open({ more: { quietMs: 1000 } });
  t.after(() => sending.close());
  cutter.set('swallow');
  give(sending, firstNs);
  sending.delivery.start();
  await eventually('the connection to break', async () => cutter.cuts > 0, 10_000);
  cutter.set('closed');
  await passWindow(firstNs);
  // What the token alone would do by now: this is why it is asked.
  const again = nextCase();
  const rows = [encodeRow(REQUESTS, { ...SCOPE, time: again })];
  for (let time = 0; time < 2; time += 1) {
    await insert(rows, 'again');
    await passWindow(again + 1n);
  }
  assert.deepEqual(
    await ask(`SELECT toUInt32(count()) FROM flowspan.requests WHERE time = fromUnixTimestamp64Nano(${again})`),
    [[2]],
  );
  cutter.set('open');
  await sent(sending);
  await assertOneCopy(firstNs);
});

/** As if the store had died between the rows and what views make of them. */
async function forgetViews(firstNs: bigint): Promise<void> {
  const minute = Number(firstNs / 1_000_000_000n);
  const at = `IN (${minute}, ${minute - 3600})`;
  await command(`DELETE FROM touched_minutes WHERE toUnixTimestamp(minute) ${at}`);
  await command(`DELETE FROM trace_times WHERE toUnixTimestamp(toStartOfMinute(end)) ${at}`);
  const left = `SELECT toUInt32(count()) FROM flowspan.touched_minutes WHERE toUnixTimestamp(minute) ${at}`;
  assert.deepEqual(await ask(left), [[0]]);
}

test('an INSERT that broke off between its partitions, or before its views, is completed', async (t) => {
  const firstNs = nextCase();
  const dataDir = mkdtempSync(join(tmpdir(), 'flowspan-partly-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const before = await open({ dataDir });
  give(before, firstNs);
  await before.delivery.close(Date.now(), 0);
  const half = Array.from({ length: ROWS / 2 }, (_, index) => encodeRow(REQUESTS, requestRow(firstNs, 2 * index)));
  await insert(half, `half-${firstNs}`);
  await forgetViews(firstNs);
  // While something may run it only says so.
  const early = await open({ dataDir, more: { quietMs: 600_000 } });
  early.delivery.start();
  await eventually('it to be reported', async () => early.codes.includes('FLOW_DELIVER_WINDOW'), 20_000);
  await early.close();
  assert.deepEqual(early.stored, {});
  const sending = await open({ dataDir, more: { quietMs: 0 } });
  t.after(() => sending.close());
  sending.delivery.start();
  await sent(sending);
  await assertOneCopy(firstNs);
});

test('while it cannot be told what is stored nothing is sent, and that is reported', async (t) => {
  const firstNs = nextCase();
  await command('ALTER TABLE requests MODIFY SETTING non_replicated_deduplication_window = 0');
  t.after(() => command('ALTER TABLE requests MODIFY SETTING non_replicated_deduplication_window = 100000'));
  const sending = await open({ more: { quietMs: 60_000 } });
  t.after(() => sending.close());
  cutter.set('cut');
  give(sending, firstNs);
  sending.delivery.start();
  await eventually('the connection to break', async () => cutter.cuts > 0, 10_000);
  cutter.set('open');
  await eventually('it to be reported', async () => sending.codes.includes('FLOW_DELIVER_WINDOW'), 10_000);
  assert.deepEqual(
    await ask(`SELECT toUInt32(count()) FROM flowspan.requests WHERE time = fromUnixTimestamp64Nano(${firstNs})`),
    [[0]],
  );
  assert.equal(sending.delivery.waiting().segments, 1);
});

test('every case stands once in the views and in edges_1m', async () => {
  const minutesOf = (shift: number) => cases.map((firstNs) => Number(firstNs / 1_000_000_000n) - shift);
  for (const at of [minutesOf(3600), minutesOf(0)]) {
    const build = buildSql('flowspan', at.sort());
    await store.writer().command({ query: build, clickhouse_settings: BUILD_SETTINGS });
  }
  const all = [...minutesOf(0), ...minutesOf(3600)].sort();
  const byMinute = async (from: string, what: string, time: string) => {
    const minute = `toUnixTimestamp(toStartOfMinute(${time}))`;
    return ask(
      `SELECT toUInt32(${minute}) AS m, toUInt32(${what}) FROM flowspan.${from} WHERE ${minute} IN (${all.join(',')}) GROUP BY m ORDER BY m`,
    );
  };
  const each = (count: number) => all.map((minute) => [minute, count]);
  assert.deepEqual(await byMinute('requests_named', 'count()', 'time'), each(ROWS / 2));
  assert.deepEqual(await byMinute('touched_minutes', 'uniq(minute)', 'minute'), each(1));
  assert.deepEqual(await byMinute('edges_1m FINAL', 'sum(requests_ok)', 'minute'), each(ROWS / 2));
  assert.deepEqual(await byMinute('edges_1m_current', 'sum(requests_ok)', 'minute'), each(ROWS / 2));
  const traces = `SELECT toUInt32(uniq(trace_id)) FROM flowspan.trace_times WHERE toUnixTimestamp(end) >= ${all[0]}`;
  assert.deepEqual(await ask(traces), [[10 * cases.length]]);
});
