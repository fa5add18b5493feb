/** Asking what of a backlog is stored takes little memory, however much waits: one question at a time, no row held. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { frugal } from '../../query-api/cli/frugal.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { FakeClickHouse } from '../collector/support/clickhouse.ts';
import { requestRow } from './support/request_rows.ts';
import { openSending, SCOPE } from './support/sending.ts';

const SEND = join(import.meta.dirname, 'support/sending_backlog.ts');
const SEGMENTS = 3;
const ROWS = 15_000;
/** Rows between two looks, as far as there is memory for them. */
const LOOK = 500;
/** Far less than segments of all lanes. */
const GROWN_MIB = 50;
const BEGIN_NS = 1_700_000_000_000_000_000n;

async function leave(dataDir: string): Promise<void> {
  const limits = { maxRows: 1e6, maxBytes: 1e9, maxAgeMs: 1e9 };
  const { delivery, close } = await openSending({ url: 'http://127.0.0.1:1', dataDir, more: { limits } });
  let time = BEGIN_NS;
  for (const table of [FLOWS, TCP_EVENTS, REQUESTS]) {
    const row = encodeRow(table, table === REQUESTS ? requestRow(time, 0) : { ...SCOPE, time, socket_cookie: 1n });
    const writer = delivery.writer(table);
    for (let count = 1; count <= SEGMENTS * ROWS; count += 1) {
      time += 1000n;
      row.writeBigInt64LE(time, 0);
      writer.append(row);
      if (count % LOOK !== 0) continue;
      writer.flush(Date.now() + count, count % ROWS === 0);
      await writer.settled();
    }
  }
  await close();
}

test('a backlog is asked for table by table, and not held', async (t) => {
  const server = new FakeClickHouse();
  const url = await server.listen();
  const dataDir = mkdtempSync(join(tmpdir(), 'flowspan-asked-'));
  t.after(async () => {
    await server.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  await leave(dataDir);
  const env = { ...process.env, ...frugal('collector') };
  const argv = ['--max-semi-space-size=1', '--max-old-space-size=64', SEND, url, dataDir];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { env });
  t.diagnostic(stdout);
  const { grownMiB, stored } = JSON.parse(stdout) as { grownMiB: number; stored: Record<string, number> };
  assert.deepEqual(stored, { flows: SEGMENTS * ROWS, tcp_events: SEGMENTS * ROWS, requests: SEGMENTS * ROWS });
  assert.ok(grownMiB <= GROWN_MIB, stdout);
});
