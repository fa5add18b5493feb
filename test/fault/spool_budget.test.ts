/** More rows than the spool may hold, or for longer: what goes first, how many, and of when. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { encodeRow } from '../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, FLOWS, LOSSES, REQUESTS, type Table, TCP_EVENTS } from '../../store/tables.ts';
import { loss, openDelivery, SCOPE, until } from '../collector/support/delivery.ts';

const ROW = { ...SCOPE, time: 1n };
const HOT = [TCP_EVENTS, REQUESTS, FLOWS] as const;
const ROWS = 20;
const bytesOf = (table: Table) => ROWS * encodeRow(table, ROW).length;

test('tcp_events go first, then requests, flows last; the oldest of each, and each row is counted', async (t) => {
  const spoolBytes = 9 * Math.max(...HOT.map(bytesOf));
  const { delivery, stored, lost, told } = await openDelivery(t, { spoolBytes, maxRows: ROWS });
  const written: Record<string, number> = {};
  const write = async (table: Table, nowMs: number) => {
    for (let row = 0; row < ROWS; row += 1) delivery.add(table, ROW);
    delivery.flush(nowMs);
    await delivery.writer(table).settled();
    written[table.name] = (written[table.name] ?? 0) + ROWS;
  };
  for (let turn = 1; turn <= 4; turn += 1) for (const table of HOT) await write(table, turn * 1000);
  const dropped = () => Object.entries(lost).filter(([key]) => key.endsWith('row_spool_dropped'));
  assert.deepEqual(
    dropped().map(([key]) => key),
    ['tcp_events row_spool_dropped'],
    'others stay as long as there are events',
  );
  for (let turn = 5; turn <= 24; turn += 1) await write(FLOWS, turn * 1000);
  await write(TCP_EVENTS, 25_000);
  await write(REQUESTS, 26_000);
  assert.deepEqual(
    dropped()
      .slice(0, 3)
      .map(([key]) => key.split(' ')[0]),
    ['tcp_events', 'requests', 'flows'],
  );
  assert.equal(lost['tcp_events row_spool_dropped'], written.tcp_events, 'new events do not displace flows');
  assert.ok(lost['requests row_spool_dropped']! >= 4 * ROWS);
  assert.ok(lost['flows row_spool_dropped']! < written.flows!);
  assert.ok(delivery.waiting().bytes <= spoolBytes);
  const ofFlows = told.filter(({ table, fromMs }) => table === 'flows' && fromMs !== undefined);
  assert.deepEqual(
    ofFlows.map(({ rows, fromMs }) => [rows, fromMs]),
    ofFlows.map((_, turn) => [ROWS, (turn + 1) * 1000]),
    'the oldest ones, with their time',
  );
  delivery.add(LOSSES, loss(1));
  await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, 27_000);
  delivery.start();
  await until(() => delivery.waiting().segments === 0);
  assert.equal(stored.losses, 1, 'what tells of the others always finds room');
  assert.equal(stored.collector_reports, 1);
  for (const { name } of HOT) {
    assert.equal((stored[name] ?? 0) + lost[`${name} row_spool_dropped`]!, written[name], name);
  }
  await until(() => delivery.waiting().bytes === 0);
});

test('what an earlier run left goes first when it is too much', async (t) => {
  const { delivery, openAgain, stored, lost, leftOver } = await openDelivery(t);
  for (let turn = 1; turn <= 3; turn += 1) {
    for (let row = 0; row < ROWS; row += 1) delivery.add(FLOWS, ROW);
    await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, turn * 1000);
  }
  await delivery.close(4000, 0);
  const again = await openAgain({ spoolBytes: 2.5 * bytesOf(FLOWS) });
  t.after(() => again.close(0, 0));
  assert.equal(leftOver.flows, 3 * ROWS);
  for (let row = 0; row < ROWS; row += 1) again.add(FLOWS, ROW);
  again.flush(5000);
  assert.equal(lost['flows row_spool_dropped'], 2 * ROWS);
  again.start();
  again.flush(10_000);
  await until(() => stored.flows === 2 * ROWS && again.waiting().segments === 0);
});

test('what waits for longer than it may is dropped, with its time, wherever the clock is set; losses stay', async (t) => {
  const { delivery, openAgain, stored, lost, told } = await openDelivery(t, { maxAgeS: 60 });
  const begun = Date.now();
  for (const table of [...HOT, LOSSES])
    for (let row = 0; row < ROWS; row += 1) delivery.add(table, table === LOSSES ? loss(1) : ROW);
  const { stored: reported } = await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, begun);
  void reported.then(() => assert.fail('a report that was dropped is not stored'));
  delivery.flush(Date.now() + 3_600_000);
  assert.deepEqual(lost, {}, 'the clock was set forward by an hour');
  await delivery.close(begun, 0);
  const again = await openAgain({ maxAgeS: 1e-9 });
  t.after(() => again.close(0, 0));
  await wait(2);
  again.flush(Date.now());
  for (const { name } of HOT) assert.equal(lost[`${name} row_spool_dropped`], ROWS);
  assert.equal(lost['collector_reports row_spool_dropped'], 1, 'it told of rows that are gone');
  for (const { fromMs, toMs } of told) assert.ok(fromMs === begun && toMs! >= begun && toMs! <= Date.now() + 1);
  again.start();
  await until(() => stored.losses === ROWS);
  await until(() => again.waiting().bytes === 0);
});
