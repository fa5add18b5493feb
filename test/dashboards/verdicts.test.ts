/** The panel about what policies denied, asked of a store with verdicts of several policies. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refusedByPolicy } from '../../dashboards/src/queries/clickhouse/verdicts.sql.ts';
import { VERDICTS } from '../../store/tables.ts';
import { BEGIN, SECOND, verdict } from '../query-api/rows.ts';
import { Scene } from '../query-api/scene.ts';
import { askStore } from './support/ask.ts';
import { expandSql } from './support/expand.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const cluster = { policy_kind: 'ClusterNetworkPolicy', policy_namespace: '', policy_name: 'base' };
  await scene.insert(VERDICTS, [
    verdict(15n * SECOND, { policy_verdict: 'denied', count: 3n }),
    verdict(16n * SECOND, { policy_verdict: 'denied', count: 4n, rule_index: -1 }),
    verdict(35n * SECOND, { policy_verdict: 'denied', count: 5n }),
    verdict(17n * SECOND, { policy_verdict: 'audited', ...cluster, count: 2n }),
    verdict(18n * SECOND, {
      ...{ policy_verdict: 'denied', policy_kind: '', policy_namespace: '', policy_name: '', count: 6n },
    }),
    verdict(19n * SECOND, { count: 100n }),
    verdict(900n * SECOND, { policy_verdict: 'denied' }),
    // fewer than those above, each
    ...Array.from({ length: 30 }, (_, index) =>
      verdict(20n * SECOND, { policy_verdict: 'denied', policy_name: `z${index}`, verdict_id: BigInt(index) }),
    ),
  ]);
});
after(() => scene.close());

test('denied and audited are counted by policy, those with most alone', async () => {
  const from = Number(BEGIN / SECOND);
  const view = { from, to: from + 300, intervalS: 15, scrapeS: 15 };
  const rows = await askStore(scene.store.url, expandSql(refusedByPolicy(), {}, view));
  const told = rows.map(({ policy, verdicts }) => `${policy} ${verdicts}`);
  for (const line of [
    'audited ClusterNetworkPolicy base 2',
    'denied NetworkPolicy shop/cart 7',
    'denied NetworkPolicy shop/cart 5',
    'denied by none 6',
  ])
    assert.equal(told.filter((one) => one === line).length, 1, `${line}\n${told.join('\n')}`);
  assert.equal(new Set(rows.map(({ policy }) => policy)).size, 20);
  assert.ok(told.every((line) => !line.includes('allowed')));
});
