/** /v1/verdicts: filters, exact counts, pages, completeness. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { COLLECTOR_REPORTS, ENDPOINT_ADDRESSES, LOSSES, VERDICTS } from '../../store/tables.ts';
import { BEGIN, NODE_A, report, SECOND, verdict, window } from './rows.ts';
import { insertSamples, MAX } from './samples.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  await insertSamples(scene);
  // ends of other rows are then decided as they are read
  const until = BEGIN + 900n * SECOND;
  await scene.insert(ENDPOINT_ADDRESSES, [
    {
      ...{ cluster: 'test', address: '10.0.0.1', endpoint_id: 1n, node: 'node-a', basis: 'node', updated: BEGIN },
      ...{ valid_from: BEGIN, sure_from: BEGIN, sure_to: until, valid_to: until, changed_from: BEGIN },
    },
  ]);
  await scene.insert(
    COLLECTOR_REPORTS,
    Array.from({ length: 61 }, (_, index) => report(BigInt(index) * 5n * SECOND)),
  );
});
after(() => scene.close());

type Row = Record<string, unknown>;
const SAMPLES = window(300);
const rows = async (query: string): Promise<Row[]> =>
  (await scene.get(`/v1/verdicts?${query}&${SAMPLES}&order=time`)).body.data;

/** Filter, and which of the five verdicts (by second) pass it. */
const FILTERS: readonly (readonly [string, readonly number[]])[] = [
  ['policy_verdict=denied', [2, 5]],
  ['verdict=DENIED', [2, 5]],
  ['verdict=DROPPED', [2, 5]],
  ['verdict=AUDIT', [3]],
  ['verdict=forwarded', [1, 4]],
  ['verdict=!FORWARDED', [2, 3, 5]],
  ['verdict=denied,audited', [2, 3, 5]],
  ['verdict=no_policy', [4]],
  ['policy_name=cart', [1, 2, 3, 5]],
  ['policy_name=c*&policy_namespace=shop&policy_kind=CiliumNetworkPolicy', [3]],
  ['rule_index=-1', [2, 3, 4]],
  ['rule_index=0..2', [1, 5]],
  ['policy_reason=isolated', [2]],
  ['rule_path=spec.ingress[2]', [5]],
  ['namespace=shop&workload=cart', [1, 2, 3, 4, 5]],
  ['workload=checkout', []],
  ['peer_workload=checkout', [1, 3, 4, 5]],
  ['peer_entity=world', [2]],
  ['peer_namespace=!shop', [2]],
  ['peer_identity=9', [2]],
  ['traffic_direction=egress', [4]],
  ['destination_port=53', [4]],
  ['port=80..', [1, 2, 3, 5]],
  ['protocol=udp', [4]],
  ['mode=audit', [3]],
  ['policy_mode=enforce', [1, 2, 4, 5]],
  ['method=delete', [3]],
  ['http_method=PUT', [5]],
  ['host=*.example', [3]],
  ['path=/items/7,8', [3]],
  ['path=/*', [3, 5]],
  ['http_reason=framing', [5]],
  ['http_judged=denied', [3]],
  ['source_address=192.0.2.0/24', [2]],
  ['count=5..', [2, 3]],
  ['node=node-b', []],
];

for (const [filter, seconds] of FILTERS) {
  test(`/v1/verdicts?${filter}`, async () => {
    const found = await rows(filter);
    assert.deepEqual(
      found.map(({ time }) => (BigInt(Date.parse(String(time))) * 1_000_000n - BEGIN) / SECOND),
      seconds.map(BigInt),
    );
  });
}

test('what a row says: exact numbers, null for what is not known, no ends that it has not', async () => {
  const [, denied, , , unjudged] = await rows('');
  assert.equal(denied?.count, (MAX - 10n).toString());
  assert.equal(denied?.peer_workload, null);
  assert.equal(denied?.rule_path, null);
  assert.equal(denied?.rule_index, -1);
  assert.equal(denied?.http_method, null);
  assert.equal(denied?.source_address, '192.0.2.7');
  assert.deepEqual(denied?.labels, { app: 'cart' });
  assert.equal(unjudged?.http_reason, 'framing');
  assert.deepEqual(Object.keys(denied ?? {}).toSorted(), VERDICTS.columns.map(({ name }) => name).toSorted());
});

test('groups count verdicts, exactly', async () => {
  const measures = 'count,allowed,denied,audited,no_policy,first_time';
  const { body } = await scene.get(
    `/v1/verdicts?${SAMPLES}&group_by=policy_kind,policy_name&measures=${measures}&order=-count`,
  );
  const at = (second: number) =>
    `${new Date(Number(BEGIN / 1_000_000n) + second * 1000).toISOString().slice(0, 19)}.000000000Z`;
  const none = { allowed: '0', denied: '0', audited: '0', no_policy: '0' };
  assert.deepEqual(body.data, [
    {
      ...{ policy_kind: 'NetworkPolicy', policy_name: 'cart', ...none, first_time: at(1) },
      ...{ count: (MAX - 6n).toString(), allowed: '3', denied: (MAX - 9n).toString() },
    },
    {
      ...{ policy_kind: 'CiliumNetworkPolicy', policy_name: 'cart', ...none, first_time: at(3) },
      ...{ count: '5', audited: '5' },
    },
    { policy_kind: null, policy_name: null, ...none, count: '2', no_policy: '2', first_time: at(4) },
  ]);
  assert.equal(body.completeness.sampled, false);
  const spans = await scene.get(`/v1/verdicts?${SAMPLES}&interval=2s&order=interval_start&verdict=!denied`);
  assert.deepEqual(
    spans.body.data.map((row: Row) => row.count),
    ['3', '5', '2'],
  );
});

test('what has no meaning for verdicts is refused', async () => {
  for (const [query, parameter] of [
    ['group_by=source_workload', 'group_by'],
    ['group_by=service', 'group_by'],
    ['group_by=labels', 'group_by'],
    ['group_by=node&measures=connections', 'measures'],
    ['group_by=node&measures=sum_count', 'measures'],
    ['verdict=perhaps', 'verdict'],
    ['order=policy_name', 'order'],
  ]) {
    const { status, body } = await scene.get(`/v1/verdicts?${query}`);
    assert.equal(status, 400, query);
    assert.equal(body.code, 'FLOW_QUERY_BAD_VALUE', query);
    assert.equal(body.parameter, parameter);
  }
  assert.equal((await scene.get('/v1/verdicts?flow_id=x')).body.code, 'FLOW_QUERY_UNKNOWN_PARAMETER');
});

test('pages hold every row once, by time and by count, while others arrive', async () => {
  const many = Array.from({ length: 130 }, (_, index) =>
    // of one nanosecond many are told, of different kinds
    verdict(400n * SECOND + BigInt(Math.floor(index / 50)), {
      ...{ verdict_id: BigInt(index), count: BigInt(index % 11) + 1n, policy_name: 'paged' },
    }),
  );
  await scene.insert(VERDICTS, many);
  for (const order of ['-time', 'time', '-count']) {
    const found: Row[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const query = `${window(500, 300)}&policy_name=paged&limit=17&order=${order}`;
      const { status, body, text } = await scene.get(`/v1/verdicts?${query}${next === '' ? '' : `&cursor=${next}`}`);
      assert.equal(status, 200, text);
      found.push(...body.data);
      next = body.next;
      await scene.insert(VERDICTS, [verdict(600n * SECOND, { policy_name: 'paged' })]);
    }
    assert.equal(found.length, 130, order);
    assert.equal(new Set(found.map((row) => row.verdict_id)).size, 130, 'each once');
    const column = order.replace('-', '') as 'time' | 'count';
    const values = found.map((row) => (column === 'count' ? Number(row.count) : String(row.time)));
    const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    assert.deepEqual(values, order.startsWith('-') ? sorted.reverse() : sorted);
  }
});

test('completeness: verdicts that no row tells of are said', async () => {
  assert.equal((await scene.get(`/v1/verdicts?${SAMPLES}`)).body.completeness.complete, true);
  await scene.insert(LOSSES, [
    {
      ...{ cluster: 'test', ...NODE_A, time: BEGIN + 10n * SECOND, duration_ns: SECOND },
      ...{ kind: 'verdict', reason: 'records_full', count: 12n },
    },
  ]);
  const { status, body } = await scene.get(`/v1/verdicts?${SAMPLES}`);
  assert.equal(status, 200);
  assert.equal(body.data.length, 5);
  assert.equal(body.completeness.complete, false);
  assert.deepEqual(
    body.completeness.lost.map(({ kind, reason, count }: Row) => [kind, reason, count]),
    [['verdict', 'records_full', '12']],
  );
});
