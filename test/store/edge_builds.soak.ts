/** The store ends, by a signal or by a crash, while it builds edges_1m: nothing is half built, and it goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { REQUESTS } from '../../store/tables.ts';
import { insertSql, requestColumns } from './generated_rows.ts';
import { RunningStore } from './running_store.ts';

const BEGIN = "toDateTime64(toStartOfMinute(now() - 1200), 9, 'UTC')";
const ROWS = 300_000;
/** Rows of a minute. */
const SPACING_NS = 200_000;

async function numbers(store: RunningStore, query: string): Promise<number[]> {
  const result = await store.writer().query({ query, format: 'JSONCompactEachRow' });
  return (await result.json<number[]>()).flat().map(Number);
}

/** Waits until it is so, at most two minutes. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`${what}: not within two minutes`);
}

const BUILDING = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO%edges_1m%gone)%'";

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`${signal} while a minute is built`, async (context) => {
    const store = await RunningStore.start();
    try {
      await migrate(store.writer(), 'flowspan');
      await store.writer().command({ query: insertSql(REQUESTS, requestColumns(BEGIN, SPACING_NS), ROWS) });
      await until('a build', async () => (await numbers(store, BUILDING))[0] === 1);
      const begun = performance.now();
      const code = await store.kill(signal);
      context.diagnostic(`ended after ${Math.round(performance.now() - begun)} ms with ${code}`);
      if (signal === 'SIGTERM') assert.equal(code, 0);
      await store.restart();
      const built =
        'SELECT toUInt64(sum(requests_ok + requests_client_error + requests_server_error)) FROM flowspan.edges_1m FINAL';
      const all = (await numbers(store, 'SELECT toUInt64(sum(sample_weight)) FROM flowspan.requests'))[0];
      const now = (await numbers(store, `${built}`))[0];
      assert.ok(now === 0 || now === all, `whole or not at all: ${now} of ${all}`);
      assert.deepEqual(await numbers(store, built.replace('edges_1m FINAL', 'edges_1m_current')), [all]);
      await until('built', async () => (await numbers(store, built))[0] === all);
    } finally {
      await store.close();
    }
  });
}
