/** What an outage left is sent beside what comes in: live rows do not wait for it, and a report waits for both. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { decodeRows } from '../../store/rowbinary.ts';
import { COLLECTOR_REPORTS, REQUESTS } from '../../store/tables.ts';
import { FakeClickHouse, type Insert } from '../collector/support/clickhouse.ts';
import { requestRow } from './support/request_rows.ts';
import { openSending, SCOPE } from './support/sending.ts';

const BACKLOG = 120;
const LIVE = 8;
const LIVE_PID = 1;

test('live segments pass the backlog, which is sent several at a time; the report comes last', async (t) => {
  const server = new FakeClickHouse();
  const url = await server.listen();
  const dataDir = mkdtempSync(join(tmpdir(), 'flowspan-backlog-'));
  t.after(async () => {
    await server.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const before = await openSending({ url, dataDir, more: { limits: { maxRows: 1, maxBytes: 1e6, maxAgeMs: 1000 } } });
  for (let segment = 0; segment < BACKLOG; segment += 1) {
    before.delivery.add(REQUESTS, requestRow(1_700_000_000_000_000_000n, segment));
    before.delivery.flush(Date.now());
  }
  await before.close();

  const begun: Insert[] = [];
  /** INSERTs of the backlog that are not answered yet. */
  const held: (() => void)[] = [];
  let isHolding = true;
  server.behaviour = (insert) => {
    begun.push(insert);
    return 'ok';
  };
  server.gate = (insert) => {
    const isBacklog = insert.table === 'requests' && numberOf(insert) === 0;
    return isHolding && isBacklog ? new Promise((resolve) => held.push(resolve)) : undefined;
  };
  const sending = await openSending({ url, dataDir, more: { limits: { maxRows: 1, maxBytes: 1e6, maxAgeMs: 1000 } } });
  t.after(() => sending.close());
  assert.equal(sending.delivery.waiting().segments, BACKLOG);
  sending.delivery.start();
  await eventually('several of the backlog to be sent at a time', () => held.length >= 2);
  const { stored } = await sending.delivery.report(COLLECTOR_REPORTS, { ...SCOPE, time: 5n, started: 1n }, Date.now());
  for (let live = 0; live < LIVE; live += 1) {
    sending.delivery.add(REQUESTS, { ...requestRow(1_800_000_000_000_000_000n, live), pid: LIVE_PID });
    sending.delivery.flush(Date.now());
    await eventually('a live segment to be sent while the backlog stands still', () =>
      begun.some((insert) => numberOf(insert) === live + 1),
    );
  }
  assert.ok(sending.delivery.waiting().segments >= BACKLOG, 'nothing of the backlog was answered');
  isHolding = false;
  for (const answer of held) answer();
  await stored;
  const tables = begun.map(({ table }) => table);
  assert.equal(tables.filter((table) => table === 'requests').length, BACKLOG + LIVE);
  // All that was queued when the report was made, whatever came after it.
  const report = tables.indexOf('collector_reports');
  const olderAfter = begun.slice(report).filter((insert) => insert.table === 'requests' && numberOf(insert) === 0);
  assert.equal(olderAfter.length, 0);
});

/** Which live segment it is, from 1; 0 for one of the backlog. */
function numberOf({ table, body }: Insert): number {
  if (table !== 'requests') return 0;
  const [row] = decodeRows(REQUESTS, body);
  return row?.pid === LIVE_PID ? Number(row.socket_cookie) : 0;
}
