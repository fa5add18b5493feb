/** A collector builds the minutes of edges_1m that nobody else does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { pino } from 'pino';
import { buildOverdueEdges } from '../../collector/src/edge_builds.ts';
import { EDGE_HOLD_BACK_S } from '../../store/edge_builds.ts';
import { migrate } from '../../store/migrate.ts';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

const client = () => store.writer();
const startOfMinute = (agoS: number) => Math.floor((Date.now() / 1000 - agoS) / 60) * 60;

async function insertFlow(second: number): Promise<void> {
  const row = { time: `${second}000000000`, cluster: 'a', flow_state: 'opened', sample_weight: 1 };
  await client().insert({ table: 'flowspan.flows', values: [row], format: 'JSONEachRow' });
}

/** Lets a collector look until it has built something, at most so long. Returns how many builds of minutes it made itself. */
async function look(mostMs: number): Promise<number> {
  let builds = 0;
  const writer = client();
  const watched = {
    query: (asked: Parameters<ClickHouseClient['query']>[0]) => writer.query(asked),
    async command(asked: Parameters<ClickHouseClient['command']>[0]) {
      const answer = await writer.command(asked);
      if (/^INSERT INTO \S+\.edges_1m\b/.test(asked.query)) builds += 1;
      return answer;
    },
  } as ClickHouseClient;
  const stopping = new AbortController();
  const options = { client: watched, database: 'flowspan', log: pino({ level: 'silent' }), soonMs: 50 };
  const running = buildOverdueEdges(options, stopping.signal);
  for (const endMs = Date.now() + mostMs; Date.now() < endMs && builds === 0; ) await wait(20);
  stopping.abort();
  await running;
  return builds;
}

test('a minute that the store may still build is left to it, one that has waited is built', async () => {
  const young = startOfMinute(60 + EDGE_HOLD_BACK_S);
  await insertFlow(young);
  assert.equal(await look(800), 0);
  const old = startOfMinute(1200);
  await insertFlow(old);
  assert.ok((await look(20_000)) > 0, 'it was not built');
  const result = await client().query({
    query: `SELECT sum(connections_opened) FROM flowspan.edges_1m FINAL WHERE minute = ${old}`,
    format: 'JSONCompactEachRow',
  });
  assert.deepEqual(await result.json(), [[1]]);
});
