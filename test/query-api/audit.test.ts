/** /v1/audit against a real store, and the judgement of `flowspan audit`: it notices one record too few or too many. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { judgeNode, type LiveCounters } from '../../query-api/cli/audit/judge.ts';
import type { AuditedNode } from '../../query-api/src/audit.ts';
import { COLLECTOR_REPORTS, FLOWS, REQUESTS } from '../../store/tables.ts';
import { BEGIN, flow, NODE_A, NODE_B, report, request, SECOND } from './rows.ts';
import { Scene } from './scene.ts';

/** More than an hour ago, however long the tests take. */
const REPORTED = BEGIN - 600n * SECOND;
const STARTED = REPORTED - 100n * SECOND;
const text = (ns: bigint) => `${new Date(Number(ns / 1_000_000n)).toISOString().slice(0, -1)}000000Z`;

/** Counters of a run that read 20 requests: 12 rows stored, 3 kept out of the rows, 2 damaged, 3 lost; 5 more in the ring. */
const COUNTS = {
  ...{ wanted: 40, lost_ring_full: 10, shed: 4, read: 20, held: 1, discarded: 2, aggregated: 2 },
  ...{ lost_memory_full: 1, rows: 14, left_over: 3, stored: 12, lost_spool_dropped: 2 },
};
const counters = (kind: string, counts: Record<string, number>) =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${kind}.${name}`, BigInt(count)]));

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const run = { ...counters('request', COUNTS), ...counters('flow', { wanted: 1, read: 1, rows: 1, stored: 1 }) };
  await scene.insert(COLLECTOR_REPORTS, [
    report(REPORTED - BEGIN - 10n * SECOND, { started: STARTED, counters: counters('request', { wanted: 1 }) }),
    report(REPORTED - BEGIN, { started: STARTED, counters: run }),
    report(REPORTED - BEGIN, { ...NODE_B, started: STARTED, counters: { 'run.ended': 1n } }),
  ]);
  await scene.insert(
    REQUESTS,
    Array.from({ length: 12 }, (_, index) => request(BigInt(index) * SECOND)),
  );
  await scene.insert(FLOWS, [flow(SECOND), flow(2n * SECOND, { boot_id: '33333333-3333-4333-8333-333333333333' })]);
});
after(() => scene.close());

test('/v1/audit: the last report of each run, and rows of its boot alone', async () => {
  const { status, body } = await scene.get('/v1/audit?since=3h');
  assert.equal(status, 200);
  const [a, b] = body.data as AuditedNode[];
  assert.deepEqual([a?.node, b?.node], ['node-a', 'node-b']);
  assert.deepEqual(a?.stored, { flow: '1', tcp_event: '0', request: '12' });
  const [run] = a?.runs ?? [];
  assert.deepEqual([run?.started, run?.reported, run?.ended], [text(STARTED), text(REPORTED), false]);
  assert.equal(run?.counters.request?.wanted, '40');
  assert.equal(b?.runs[0]?.ended, true);
  assert.ok('complete' in body.completeness);
  const { body: none } = await scene.get('/v1/audit');
  assert.deepEqual(none.data, [], 'the last hour alone is looked at');
  assert.equal((await scene.get('/v1/audit?node=a')).body.code, 'FLOW_QUERY_UNKNOWN_PARAMETER');
});

const node = (stored: Record<string, string | null> = {}, runs: AuditedNode['runs'] = []): AuditedNode => ({
  ...{ cluster: 'c', node: 'n', expired_before: null, runs },
  stored: { flow: '0', tcp_event: '0', request: '9', ...stored },
});
const live = (counts: Record<string, number> = {}, more: Partial<LiveCounters> = {}): LiveCounters => ({
  ...{ cluster: 'c', node: 'n', boot_id: NODE_A.boot_id, started: text(STARTED) },
  counters: { request: { ...COUNTS, ...counts } },
  rows_waiting: { flow: 0, tcp_event: 0, request: 3 },
  ring_bytes: 64,
  ...more,
});
const judge = (one: AuditedNode, status: LiveCounters | undefined) => judgeNode(one, status, status);

test('closes at any moment: what is on its way is counted where it is', () => {
  const { wrong, unknown, runs, rows } = judge(node(), live());
  assert.deepEqual([wrong, unknown], [[], []]);
  const { in_rings, held, waiting, lost, difference } = runs[0]!.kinds.request!;
  assert.deepEqual({ in_rings, held, waiting, difference }, { in_rings: 6, held: 1, waiting: 3, difference: 0 });
  assert.deepEqual(lost, { ring_full: 10, memory_full: 1, spool_dropped: 2 });
  assert.deepEqual(rows.request?.expected[0], 9, '14 rows written, 2 dropped, 3 waiting');
});

test('does not close by one record, wherever it went', () => {
  for (const [name, count] of Object.entries(COUNTS)) {
    // what is in the rings cannot be counted by kind, so that the rings are empty here
    const whole = { wanted: COUNTS.wanted - 6, [name]: (name === 'wanted' ? count - 6 : count) + 1 };
    const { wrong } = judge(node(), live(whole, { ring_bytes: 0 }));
    assert.ok(wrong.length > 0, name);
  }
  assert.ok(judge(node(), live({}, { rows_waiting: { request: 2 } })).wrong.length > 0, 'a row that nobody has');
});

test('the store is taken at its word: one row too few, one twice', () => {
  assert.match(judge(node({ request: '8' }), live()).wrong[0] ?? '', /^1 request rows that were acknowledged/);
  assert.deepEqual(judge(node({ request: '12' }), live()).wrong, [], 'what waits may be stored already');
  assert.match(judge(node({ request: '16' }), live()).wrong[0] ?? '', /stored twice/);
});

test('what cannot be told is told so', () => {
  const run = (started: bigint, ended: boolean): AuditedNode['runs'][number] => ({
    ...{ boot_id: NODE_A.boot_id, started: text(started), reported: text(BEGIN), ended },
    counters: { request: { wanted: '7', read: '7', rows: '7', stored: '7' } },
  });
  const killed = judge(node({ request: '16' }, [run(STARTED - SECOND, false)]), live());
  assert.deepEqual(
    [killed.runs.map(({ state }) => state), killed.wrong, killed.unknown.length],
    [['killed', 'running'], [], 1],
  );
  assert.match(killed.unknown[0] ?? '', /was killed/);
  const waited = {
    ...run(STARTED - SECOND, false),
    counters: { request: { wanted: '7', read: '7', rows: '7', stored: '2' } },
  };
  const maybe = judge(node({ request: '11' }, [waited]), live());
  assert.deepEqual(maybe.wrong, [], 'five waited when it reported last');
  assert.match(maybe.unknown.join(), /5 request rows are not in the store, of those that waited/);
  assert.match(judge(node({ request: '10' }, [waited]), live()).wrong.join(), /^6 request rows/);
  const stopped = judge(node({ request: '16' }, [run(STARTED - SECOND, true)]), live());
  assert.deepEqual([stopped.wrong, stopped.unknown], [[], []]);
  const more = judge(node({ request: '90' }, [run(STARTED - SECOND, false)]), live());
  assert.match(more.unknown.join(), /written after the last report/);
  assert.match(judge(node({ request: '7' }, [run(STARTED, false)]), undefined).unknown[0] ?? '', /was not asked/);
  assert.match(judge(node({ request: null }), live()).unknown[0] ?? '', /too many request rows/);
  const unread = judge(node(), live({ read: 19, rows: 13 }, { ring_bytes: 0, discards: { record_kind_unknown: 1 } }));
  assert.match(unread.unknown[0] ?? '', /could not be read/);
  const expired = judge({ ...node({ request: '1' }), expired_before: text(BEGIN) }, live());
  assert.deepEqual([expired.wrong, expired.unknown.length], [[], 1]);
});
