/** Rows that were lost behind the writer: no report goes before the row of `losses` that tells of them is stored. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Delivery } from '../../collector/src/deliver/delivery.ts';
import { COLLECTOR_REPORTS, FLOWS, LOSSES } from '../../store/tables.ts';
import { loss, openDelivery, SCOPE, until } from '../collector/support/delivery.ts';

const ROW = { ...SCOPE, time: 1n };
const REPORT = { ...SCOPE, time: 5n, started: 1n };
const REFUSED = 33;
const BUSY = 241;

/** Writes a row of losses for each segment that was lost since the last call, as the reporter does. */
function teller(delivery: () => Delivery, lost: () => number) {
  let told = 0;
  return () => {
    const more = lost() - told;
    told += more;
    if (more > 0) delivery().add(LOSSES, loss(more));
  };
}

test('refused: the report waits for the row of losses, and for one that is lost itself', async (t) => {
  const opened = await openDelivery(t, {
    tellLosses: teller(
      () => opened.delivery,
      () => opened.told.length,
    ),
  });
  const { delivery, server, stored, lost } = opened;
  let ofLosses: 'ok' | number = BUSY;
  let asked = 0;
  server.behaviour = ({ table }) => {
    if (table === 'flows') return REFUSED;
    if (table !== 'losses') return 'ok';
    asked += 1;
    return ofLosses;
  };
  delivery.start();
  delivery.add(FLOWS, ROW);
  await delivery.report(COLLECTOR_REPORTS, REPORT, 1000);
  await until(() => asked > 0);
  assert.equal(lost['flows row_refused'], 1);
  assert.equal(stored.collector_reports, undefined);
  ofLosses = REFUSED;
  await until(() => lost['losses row_refused'] === 1);
  assert.equal(stored.collector_reports, undefined);
  ofLosses = 'ok';
  await until(() => stored.collector_reports === 1);
  assert.deepEqual(
    server.inserts.map(({ table }) => table),
    ['losses', 'collector_reports'],
  );
});

test('dropped while ClickHouse is away: the row of losses is in its file at once, and outlives a kill', async (t) => {
  const opened = await openDelivery(t, {
    maxAgeS: 1e-9,
    tellLosses: teller(
      () => opened.delivery,
      () => opened.told.length,
    ),
  });
  const { delivery, files, openAgain, leftOver, lost } = opened;
  delivery.add(FLOWS, ROW);
  await delivery.report(COLLECTOR_REPORTS, REPORT, Date.now());
  delivery.flush(Date.now() + 1000);
  assert.equal(lost['flows row_spool_dropped'], 1);
  await until(() => files().some((file) => file.endsWith('.open')));
  // As the next run finds it.
  await until(() => delivery.rowsWaiting(LOSSES) === 1);
  const again = await openAgain({ maxAgeS: 1e6 });
  assert.equal(leftOver.losses, 1);
  await again.close(0, 0);
});
