import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { REQUESTS } from '../../store/tables.ts';
import { RunningStore } from './running_store.ts';

const ROWS_PER_BATCH = 50;
const ROUNDS = 3;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

/** Rows of two days, so that a batch makes two parts. */
function batch(number: number): Buffer {
  const now = BigInt(Date.now()) * 1_000_000n;
  return Buffer.concat(
    Array.from({ length: ROWS_PER_BATCH }, (_, row) =>
      encodeRow(REQUESTS, {
        time: now - (row % 2 === 0 ? 0n : 86_400_000_000_000n),
        pid: number,
        outcome: 'ok',
        sample_weight: 1,
      }),
    ),
  );
}

async function send(bytes: Buffer, token: string): Promise<boolean> {
  const key = readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();
  try {
    const response = await fetch(
      `${store.url}/?query=INSERT INTO flowspan.requests ${insertColumns(REQUESTS)} FORMAT RowBinary&insert_deduplication_token=${token}`,
      {
        method: 'POST',
        headers: { 'X-ClickHouse-User': 'collector', 'X-ClickHouse-Key': key },
        body: new Uint8Array(bytes),
      },
    );
    const text = await response.text();
    assert.ok(response.ok, text);
    return true;
  } catch (cause) {
    assert.ok(cause instanceof TypeError, `only a broken connection is expected: ${cause}`);
    return false;
  }
}

async function numbers(query: string): Promise<number[][]> {
  return await (await store.reader().query({ query, format: 'JSONCompactEachRow' })).json<number[]>();
}

test('kill -9 under load loses no acknowledged insert, and a retry of any counts once', async (t) => {
  let number = 0;
  const batches = new Map<number, Buffer>();
  const acknowledged = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const first = number + 1;
    let stopped = false;
    const senders = Array.from({ length: 3 }, async () => {
      while (!stopped) {
        const mine = ++number;
        batches.set(mine, batch(mine));
        if (!(await send(batches.get(mine)!, `batch-${mine}`))) return;
        acknowledged.add(mine);
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 400 + round * 177));
    await store.kill('SIGKILL');
    stopped = true;
    await Promise.all(senders);
    await store.restart();
    const kept = new Set((await numbers('SELECT DISTINCT pid FROM flowspan.requests')).map(([pid]) => pid));
    for (const one of acknowledged) assert.ok(kept.has(one), `acknowledged batch ${one} is gone`);
    for (let one = first; one <= number; one++) {
      assert.ok(await send(batches.get(one)!, `batch-${one}`));
      acknowledged.add(one);
    }
  }
  t.diagnostic(`${batches.size} batches over ${ROUNDS} crashes`);
  assert.ok(batches.size >= 6);
  assert.deepEqual(
    await numbers(`SELECT pid, count() AS n FROM flowspan.requests GROUP BY pid HAVING n != ${ROWS_PER_BATCH}`),
    [],
  );
  assert.deepEqual(await numbers('SELECT uniq(pid), count() FROM flowspan.requests'), [
    [batches.size, batches.size * ROWS_PER_BATCH],
  ]);
  assert.deepEqual(await numbers('SELECT sum(requests_ok) FROM flowspan.edges_1m_current'), [
    [batches.size * ROWS_PER_BATCH],
  ]);
});

test('a token whose insert was never made does not swallow the retry', async () => {
  // A merge may have taken the newest parts up before the kill: then nothing is missing, and it is tried again.
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const [bytes, token] = [batch(4711 + attempt), `unmade-${attempt}`];
    assert.ok(await send(bytes, token));
    const [[before]] = (await numbers('SELECT count() FROM flowspan.requests')) as [[number]];
    await store.kill('SIGKILL');
    const made = newestParts(join(store.dataDir, 'store', 'store'));
    for (const part of made) rmSync(part, { recursive: true, force: true });
    await store.restart();
    if (!/forgotten/.test(store.log)) continue;
    assert.ok(await send(bytes, token));
    assert.ok(await send(bytes, token));
    assert.deepEqual(await numbers('SELECT count() FROM flowspan.requests'), [[before]]);
    return;
  }
  assert.fail('every attempt met a merge');
});

/** The parts that the last two lines of the deduplication log of `requests` name. */
function newestParts(root: string): string[] {
  for (const prefix of readdirSync(root)) {
    for (const uuid of readdirSync(join(root, prefix))) {
      const table = join(root, prefix, uuid);
      const logs = join(table, 'deduplication_logs');
      const files = readdirSync(table).includes('deduplication_logs') ? readdirSync(logs) : [];
      const lines = files.flatMap((file) => readFileSync(join(logs, file), 'utf8').trim().split('\n'));
      const last = lines.filter((line) => line.includes('\t')).slice(-2);
      const parts = last.map((line) => join(table, line.split('\t')[1]!));
      const columns = parts.map((part) => {
        try {
          return readFileSync(join(part, 'columns.txt'), 'utf8');
        } catch {
          return '';
        }
      });
      if (columns.length === 2 && columns.every((text) => text.includes('http_path'))) return parts;
    }
  }
  throw new Error('no parts of requests found');
}
