/** What an earlier version left with other columns is counted as refused; nothing waits for it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { migrate } from '../../store/migrate.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, FLOWS } from '../../store/tables.ts';
import { RunningStore } from '../store/running_store.ts';
import { openSending, SCOPE } from './support/sending.ts';

/** More segments than there are lanes. */
const LEFT = [90, 160, 230];
const LIVE = 5;
const NOW_NS = BigInt(Date.now()) * 1_000_000n;

test('rows without the last columns block no lane and no report', async (t) => {
  const store = await RunningStore.start();
  t.after(() => store.close());
  await migrate(store.writer(), 'flowspan');
  const dataDir = mkdtempSync(join(tmpdir(), 'flowspan-columns-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const password = readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();

  const before = await openSending({ url: store.url, password, dataDir });
  const ofFlows = before.delivery.writer(FLOWS);
  for (const rows of LEFT) {
    for (let row = 0; row < rows; row += 1) {
      const whole = encodeRow(FLOWS, { ...SCOPE, time: NOW_NS + BigInt(row), socket_cookie: 5n });
      ofFlows.append(whole.subarray(0, whole.length - 4));
    }
    ofFlows.flush(Date.now(), true);
    await ofFlows.settled();
  }
  await before.close();

  const sending = await openSending({ url: store.url, password, dataDir });
  t.after(() => sending.close());
  assert.equal(sending.delivery.waiting().segments, LEFT.length);
  sending.delivery.start();
  for (let live = 0; live < LIVE; live += 1) {
    sending.delivery.add(FLOWS, { ...SCOPE, time: NOW_NS, socket_cookie: BigInt(live) });
  }
  const report = { ...SCOPE, time: NOW_NS, started: NOW_NS };
  const { stored } = await sending.delivery.report(COLLECTOR_REPORTS, report, Date.now());
  let isStored = false;
  void stored.then(() => {
    isStored = true;
  });
  await eventually('the report to be stored', async () => isStored, 30_000);
  assert.deepEqual(sending.lost, { 'flows row_refused': LEFT.reduce((sum, rows) => sum + rows, 0) });
  assert.equal(sending.stored.flows, LIVE);
  assert.ok(!sending.codes.includes('FLOW_DELIVER_SEND'), sending.codes.join());
});
