/** A disk that is full or read-only: no row is lost while ClickHouse answers; else as many as there is no memory for. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Disk, mountDisk } from '../../deploy/lab/disk.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, FLOWS, LOSSES } from '../../store/tables.ts';
import { loss, openDelivery, SCOPE, until } from '../collector/support/delivery.ts';

const ROW = { ...SCOPE, time: 1n };
const REPORT = { ...SCOPE, time: 5n, started: 1n };
const DISK_BYTES = 2 * 1024 ** 2;
/** Chunks of a delivery of this test, and the half of them that rows may wait in. */
const CHUNKS = 8;
const MEMORY_BYTES = 1024 ** 2;
const skip = process.getuid?.() === 0 ? false : 'needs root';

function newDisk(t: TestContext): Disk {
  const disk = mountDisk(temporaryFolder(), DISK_BYTES);
  t.after(() => disk.unmount());
  return disk;
}

test('full while ClickHouse answers: rows are sent from memory, and go to the disk again when it has room', {
  skip,
}, async (t) => {
  const disk = newDisk(t);
  const { delivery, stored, lost, left, logged, files } = await openDelivery(t, { dataDir: disk.path, chunks: CHUNKS });
  delivery.start();
  disk.fill();
  for (let turn = 1; turn <= 3; turn += 1) {
    for (let row = 0; row < 100; row += 1) delivery.add(FLOWS, ROW);
    await delivery.report(COLLECTOR_REPORTS, REPORT, turn * 1000);
    await until(() => stored.flows === turn * 100 && stored.collector_reports === turn);
  }
  await until(() => left.flows === stored.flows);
  assert.deepEqual(files(), []);
  assert.match(delivery.waiting().disk_error, /ENOSPC/);
  const complaints = logged.filter((line) => line.includes('FLOW_DELIVER_SPOOL'));
  assert.equal(complaints.length, 1, 'told once');
  assert.match(complaints[0]!, /free or mend the disk/);
  disk.free();
  await until(() => {
    delivery.add(LOSSES, loss(1));
    delivery.flush(Date.now());
    return delivery.waiting().disk_error === '';
  });
  assert.ok(logged.some((line) => line.includes('can be written again')));
  assert.deepEqual(lost, {});
});

test('full while ClickHouse is away: rows wait in memory, then on the disk; beyond memory they are counted', {
  skip,
}, async (t) => {
  const disk = newDisk(t);
  const { delivery, stored, lost, left } = await openDelivery(t, { dataDir: disk.path, chunks: CHUNKS });
  disk.fill();
  const perTurn = 1000;
  const turns = Math.ceil((2 * MEMORY_BYTES) / (perTurn * encodeRow(FLOWS, ROW).length));
  for (let turn = 1; turn <= turns; turn += 1) {
    for (let row = 0; row < perTurn; row += 1) delivery.add(FLOWS, ROW);
    delivery.flush(turn * 1000);
    await delivery.writer(FLOWS).settled();
  }
  await delivery.report(COLLECTOR_REPORTS, REPORT, 100_000);
  assert.ok(delivery.waiting().memory_bytes <= MEMORY_BYTES + 256 * 1024);
  const gone = lost['flows row_write_failed'] ?? 0;
  assert.ok(gone > 0 && gone < turns * perTurn);
  assert.equal(delivery.rowsWaiting(FLOWS), turns * perTurn - gone, 'in memory');
  assert.equal(left.flows, gone, 'rows in memory are not told as safe');
  disk.free();
  await until(() => {
    delivery.add(LOSSES, loss(1));
    delivery.flush(Date.now());
    return delivery.waiting().memory_bytes === 0;
  });
  assert.ok(delivery.waiting().bytes > 0);
  assert.equal(left.flows, turns * perTurn);
  assert.equal(delivery.rowsWaiting(FLOWS), turns * perTurn - lost['flows row_write_failed']!, 'on the disk');
  delivery.start();
  await delivery.report(COLLECTOR_REPORTS, REPORT, 200_000);
  await until(() => delivery.waiting().segments === 0);
  assert.equal(stored.flows! + lost['flows row_write_failed']!, turns * perTurn);
  assert.equal(delivery.rowsWaiting(FLOWS), 0);
  assert.deepEqual(Object.keys(lost), ['flows row_write_failed']);
});

test('full and ClickHouse away until the end: what memory held is counted, with its time, by table', {
  skip,
}, async (t) => {
  const disk = newDisk(t);
  const { delivery, lost, told, logged } = await openDelivery(t, { dataDir: disk.path, chunks: CHUNKS });
  disk.fill();
  for (let row = 0; row < 100; row += 1) delivery.add(FLOWS, ROW);
  const begun = Date.now();
  delivery.flush(begun);
  await delivery.close(begun, 0);
  assert.deepEqual(lost, { 'flows row_write_failed': 100 });
  assert.ok(told.every(({ fromMs, toMs }) => fromMs! >= begun && toMs! <= Date.now()));
  assert.ok(logged.some((line) => line.includes('"rows":{"flows":100}')));
});

test('read-only at the start: what is there is sent, new rows from memory; removed when it can be', {
  skip,
}, async (t) => {
  const disk = newDisk(t);
  const first = await openDelivery(t, { dataDir: disk.path });
  for (let row = 0; row < 100; row += 1) first.delivery.add(FLOWS, ROW);
  await first.delivery.report(COLLECTOR_REPORTS, REPORT, 1000);
  await first.delivery.close(2000, 0);
  disk.setReadOnly(true);
  const { delivery, stored, lost, leftOver, files, logged } = await openDelivery(t, { dataDir: disk.path });
  assert.equal(leftOver.flows, 100);
  delivery.start();
  await until(() => stored.flows === 100 && stored.collector_reports === 1);
  for (let row = 0; row < 50; row += 1) delivery.add(FLOWS, ROW);
  await delivery.report(COLLECTOR_REPORTS, REPORT, 3000);
  await until(() => stored.flows === 150 && delivery.waiting().segments === 0);
  assert.ok(logged.some((line) => line.includes('EROFS')));
  assert.equal(files().length, 2, 'nothing can be removed');
  disk.setReadOnly(false);
  await until(() => {
    delivery.add(LOSSES, loss(1));
    delivery.flush(Date.now());
    return delivery.waiting().disk_error === '';
  });
  await until(() => files().filter((file) => file.endsWith('.segment')).length === 0);
  assert.deepEqual(lost, {});
});

test('what is no folder, or no file, in the place of one keeps nothing from working', { skip }, async (t) => {
  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'spool', 'losses', '00000000000009-00000001-0badcafe.7.segment'), { recursive: true });
  mkdirSync(join(dataDir, 'spool', 'losses', '00000000000009-00000002-0badcafe.open'));
  writeFileSync(join(dataDir, 'spool', 'flows'), 'no folder');
  const { delivery, stored, lost, leftOver } = await openDelivery(t, { dataDir });
  assert.deepEqual(leftOver, { losses: 7 });
  delivery.start();
  for (let row = 0; row < 50; row += 1) delivery.add(FLOWS, ROW);
  delivery.add(LOSSES, loss(1));
  await delivery.report(COLLECTOR_REPORTS, REPORT, 3000);
  await until(() => stored.flows === 50 && stored.losses === 1);
  assert.deepEqual(lost, { 'losses row_spool_damaged': 7 });
  assert.ok(readdirSync(join(dataDir, 'spool')).length > 0);
});
