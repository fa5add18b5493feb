/** The panels about completeness, asked of a store with losses, detail shed, a restart and a silence. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missing, storedUpTo } from '../../dashboards/src/queries/clickhouse/completeness.sql.ts';
import { COLLECTOR_REPORTS, LOSSES } from '../../store/tables.ts';
import { BEGIN, NODE_A, report, SECOND } from '../query-api/rows.ts';
import { Scene } from '../query-api/scene.ts';
import { askStore } from './support/ask.ts';
import { expandSql } from './support/expand.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const loss = { cluster: 'test', ...NODE_A, kind: 'request', duration_ns: 5n * SECOND };
  await scene.insert(LOSSES, [
    { ...loss, time: BEGIN + 100n * SECOND, reason: 'ring_full', count: 5n },
    { ...loss, time: BEGIN + 200n * SECOND, reason: 'ring_full', count: 7n },
    { ...loss, time: BEGIN + 210n * SECOND, reason: 'governor', count: 40n },
    { ...loss, time: BEGIN + 220n * SECOND, kind: 'all', reason: 'restart', count: 0n },
    { ...loss, time: BEGIN + 230n * SECOND, kind: 'all', reason: 'clock_step', count: 0n },
    { ...loss, time: BEGIN + 900n * SECOND, reason: 'ring_full', count: 100n },
  ]);
  await scene.insert(
    COLLECTOR_REPORTS,
    [0n, 10n, 20n, 100n, 110n].map((second) => report(second * SECOND)),
  );
});
after(() => scene.close());

const ask = (sql: string) => {
  const from = Number(BEGIN / SECOND);
  return askStore(scene.store.url, expandSql(sql, {}, { from, to: from + 300, intervalS: 15, scrapeS: 15 }));
};

test('what is missing is told by what it means, within the time that is shown', async () => {
  const rows = await ask(missing());
  assert.deepEqual(
    rows.map(({ what, kind, reason, count }) => `${what}: ${kind} ${reason} ${count}`),
    [
      'clock set: all clock_step 0',
      'lost: request ring_full 12',
      'not watched: all no report 0',
      'not watched: all restart 0',
      'shed: request governor 40',
    ],
  );
});

test('up to when all is stored', async () => {
  const [row] = await ask(storedUpTo());
  assert.equal(row?.node, NODE_A.node);
  assert.equal(Number(row?.behind_ms), 190_000);
});
