import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeRows } from '../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, ENDPOINTS, LOSSES } from '../../store/tables.ts';
import { loss, openDelivery, SCOPE, until } from './support/delivery.ts';

test('rows become segments, segments become inserts, acknowledged segments go', async (t) => {
  const { delivery, server, stored, files } = await openDelivery(t);
  for (let count = 0; count < 10; count += 1) delivery.add(LOSSES, loss(count));
  delivery.flush(1000);
  await until(() => files().length === 1);
  assert.match(files()[0]!, /\.open$/);
  delivery.start();
  delivery.flush(2000);
  await until(() => stored.losses === 10);
  assert.equal(server.inserts.length, 1);
  const [insert] = server.inserts;
  assert.equal(insert!.table, 'losses');
  assert.match(insert!.token, /^n\/losses\/\d{14}-\d{8}-[0-9a-f]{8}$/);
  assert.deepEqual(
    decodeRows(LOSSES, insert!.body).map((row) => row.count),
    Array.from({ length: 10 }, (_, count) => String(count)),
  );
  await until(() => files().length === 0);
  assert.deepEqual(delivery.waiting(), {
    ...{ bytes: 0, memory_bytes: 0, segments: 0 },
    ...{ limit_bytes: 1e9, disk_error: '' },
  });
});

test('a segment ends at its number of rows, before its age', async (t) => {
  const { delivery, server } = await openDelivery(t, { maxRows: 5 });
  delivery.start();
  for (let look = 0; look < 3; look += 1) {
    for (let count = 0; count < 5; count += 1) delivery.add(LOSSES, loss(count));
    delivery.flush(1000);
  }
  await until(() => server.inserts.length === 3);
});

test('what cannot be sent is sent again under the same token until it is stored', async (t) => {
  const { delivery, server, stored } = await openDelivery(t);
  const tokens: string[] = [];
  server.behaviour = (insert) => {
    tokens.push(insert.token);
    return (['hang up', 241, 'ok'] as const)[tokens.length - 1] ?? 'ok';
  };
  delivery.start();
  delivery.add(LOSSES, loss(1));
  delivery.flush(0);
  delivery.flush(5000);
  await until(() => stored.losses === 1);
  assert.equal(tokens.length, 3);
  assert.equal(new Set(tokens).size, 1);
});

test('rows that ClickHouse cannot read are counted as lost, and the next are sent', async (t) => {
  const { delivery, server, stored, lost, files } = await openDelivery(t);
  let first = true;
  server.behaviour = () => {
    const answer = first ? 33 : 'ok';
    first = false;
    return answer;
  };
  delivery.start();
  delivery.add(LOSSES, loss(1));
  delivery.flush(0);
  delivery.flush(5000);
  await until(() => lost['losses row_refused'] === 1);
  delivery.add(LOSSES, loss(2));
  delivery.flush(6000);
  delivery.flush(12_000);
  await until(() => stored.losses === 1 && files().length === 0);
});

test('a report waits until all rows before it are stored', async (t) => {
  const { delivery, server } = await openDelivery(t);
  let open_ = false;
  server.behaviour = (insert) => (insert.table === 'losses' && !open_ ? 241 : 'ok');
  delivery.start();
  delivery.add(LOSSES, loss(1));
  const { stored } = await delivery.report(
    COLLECTOR_REPORTS,
    { ...SCOPE, time: 5n, started: 1n, counters: { 'flow.read': 3 } },
    0,
  );
  await wait(400);
  assert.equal(server.inserts.length, 0);
  open_ = true;
  await stored;
  assert.deepEqual(
    server.inserts.map((insert) => insert.table),
    ['losses', 'collector_reports'],
  );
});

test('another report may wait while nothing is stored, and is due when something is', async (t) => {
  const { delivery } = await openDelivery(t);
  assert.equal(delivery.reportMayWait, false, 'there is none yet');
  const { stored } = await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, 0);
  assert.equal(delivery.reportMayWait, true);
  delivery.start();
  await stored;
  assert.equal(delivery.reportMayWait, false);
});

test('without memory rows are counted as lost, and memory comes back', async (t) => {
  const { delivery, lost, stored } = await openDelivery(t, { chunks: 1 });
  delivery.start();
  const many = 20_000;
  for (let count = 0; count < many; count += 1) delivery.add(LOSSES, loss(count));
  delivery.flush(Date.now());
  delivery.flush(Date.now() + 5000);
  const gone = lost['losses row_memory_full'] ?? 0;
  assert.ok(gone > 0);
  await until(() => stored.losses === many - gone);
});

test('a row of any size finds its room, and one beyond all memory is counted', async (t) => {
  const { delivery, server, lost } = await openDelivery(t);
  delivery.start();
  const endpoint = (bytes: number) => ({ cluster: 'c', name: 'n', labels: { long: 'x'.repeat(bytes) } });
  for (const bytes of [100, 200_000, 100_000, 20, 300_000]) delivery.add(ENDPOINTS, endpoint(bytes));
  delivery.flush(Date.now());
  delivery.flush(Date.now() + 5000);
  await until(() => server.inserts.length === 1);
  const labels = decodeRows(ENDPOINTS, server.inserts[0]!.body).map(
    (row) => (row.labels as { long: string }).long.length,
  );
  assert.deepEqual(labels, [100, 200_000, 100_000, 20]);
  assert.equal(lost['endpoints row_too_large'], 1);
});

test('what an earlier run left is sent, reports last, and other files are left alone', async (t) => {
  const { delivery, server, dataDir, openAgain, files, leftOver } = await openDelivery(t);
  delivery.add(LOSSES, loss(1));
  delivery.add(LOSSES, loss(2));
  await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, 0);
  await delivery.close(0, 0);
  writeFileSync(join(dataDir, 'spool', 'losses', 'notes.txt'), 'left alone');
  const again = await openAgain();
  t.after(() => again.close(0, 0));
  assert.deepEqual(leftOver, { losses: 2, collector_reports: 1 });
  again.start();
  await until(() => server.inserts.length === 2 && again.waiting().segments === 0);
  assert.deepEqual(
    server.inserts.map((insert) => insert.table),
    ['losses', 'collector_reports'],
  );
  const counts = decodeRows(LOSSES, server.inserts[0]!.body).map((row) => row.count);
  assert.deepEqual(counts, ['1', '2']);
  await until(() => again.waiting().bytes === 0);
  assert.deepEqual(files(), ['notes.txt']);
});

test('closing does not wait for a server that does not answer', async (t) => {
  const { delivery, server, files } = await openDelivery(t);
  server.behaviour = () => 'silent';
  delivery.start();
  delivery.add(LOSSES, loss(1));
  await delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, 0);
  const begun = performance.now();
  await delivery.close(0, 300);
  assert.ok(performance.now() - begun < 1000);
  assert.equal(files().length, 2);
});
