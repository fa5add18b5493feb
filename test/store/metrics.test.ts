/** GET /metrics of the store. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ClickHouseClient } from '@clickhouse/client';
import { loadConfig } from '../../collector/src/config.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import type { Engine } from '../../store/embedded/engine.ts';
import { StoreMetrics } from '../../store/embedded/metrics.ts';
import { migrate } from '../../store/migrate.ts';
import { assertPublishedNames } from '../support/metric_names.ts';
import { promtoolComplaints, whyNoJudge } from '../support/metrics.ts';
import { flowspanNames, seriesValue } from '../support/series.ts';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
let writer: ClickHouseClient;
let reader: ClickHouseClient;
before(async () => {
  store = await RunningStore.start(['--store-reader-password', 'secret']);
  writer = store.writer();
  await migrate(writer, 'flowspan');
  writer = store.writer({ database: 'flowspan' });
  reader = store.reader({ database: 'flowspan', password: 'secret' });
});
after(() => store.close());

const authorization = `Basic ${Buffer.from('default:secret').toString('base64')}`;
const get = (init: RequestInit = {}) => fetch(`${store.url}/metrics`, { headers: { authorization }, ...init });
const loss = () => ({ kind: 'flow', time: new Date().toISOString().replace('Z', '') });
const text = async () => await (await get()).text();

/** Metrics of a store that runs nothing. */
function metricsOf(): StoreMetrics {
  const none = { running: 0, waiting: 0 };
  const engine = { dataDir: '/', load: { reader: none, writer: none } } as unknown as Engine;
  return new StoreMetrics(engine, { byteBudget: 0, memoryBytes: 0 });
}

test('the names are those of the list, here and where it answers', async () => {
  const own = metricsOf().page;
  const spans = await startOwnSpans('store', loadConfig([], {}));
  own.add(() => spans.families());
  await assertPublishedNames(own, new URL('metric_names.txt', import.meta.url));
  assert.deepEqual(flowspanNames(await text()), flowspanNames((await own.answer(undefined)).body));
});

test("the text passes Prometheus' own check", { skip: whyNoJudge() }, async () => {
  assert.equal(promtoolComplaints(await text()), '');
});

test('it asks for a password where the store does; HEAD is GET without a body; nothing else is allowed', async () => {
  assert.equal((await get({ headers: {} })).status, 403);
  assert.equal((await get({ headers: { 'x-clickhouse-user': 'default', 'x-clickhouse-key': 'secret' } })).status, 200);
  const head = await get({ method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.ok(Number(head.headers.get('content-length')) > 1000);
  assert.equal(await head.text(), '');
  const post = await get({ method: 'POST' });
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  const open = await get({ headers: { authorization, accept: 'application/openmetrics-text' } });
  assert.match(open.headers.get('content-type') ?? '', /^application\/openmetrics-text/);
  assert.match(await open.text(), /# EOF\n$/);
});

test('inserts, queries and their ends are counted', async () => {
  const counts = async () => {
    const page = await text();
    return {
      rows: seriesValue(page, 'flowspan_store_inserted_rows_total{table="losses"}'),
      others: seriesValue(page, 'flowspan_store_inserted_rows_total{table="_other"}'),
      inserts: seriesValue(page, 'flowspan_store_inserts_total{result="ok"}'),
      refusedInserts: seriesValue(page, 'flowspan_store_inserts_total{result="refused"}'),
      insertTimes: seriesValue(page, 'flowspan_store_insert_seconds_count'),
      queries: seriesValue(page, 'flowspan_store_queries_total{account="reader",result="ok"}'),
      failures: seriesValue(page, 'flowspan_store_queries_total{account="reader",result="refused"}'),
      strangers: seriesValue(page, 'flowspan_store_queries_total{account="none",result="refused"}'),
      queryTimes: seriesValue(page, 'flowspan_store_query_seconds_count{account="reader"}'),
    };
  };
  const was = await counts();
  await writer.insert({ table: 'losses', values: [loss(), loss()], format: 'JSONEachRow' });
  await writer.command({ query: 'CREATE TABLE mine (a UInt8) ENGINE = MergeTree ORDER BY a' });
  await writer.insert({ table: 'mine', values: [{ a: 1 }], format: 'JSONEachRow' });
  await assert.rejects(writer.insert({ table: 'mine', values: [{ a: 'none' }], format: 'JSONEachRow' }));
  await (await reader.query({ query: 'SELECT 1' })).text();
  await assert.rejects(reader.query({ query: 'SELECT nonesuch' }));
  await assert.rejects(store.reader({ password: 'wrong' }).query({ query: 'SELECT 1' }));
  const is = await counts();
  const grown = Object.fromEntries(
    Object.entries(is).map(([name, value]) => [name, value - was[name as keyof typeof was]]),
  );
  assert.deepEqual(grown, {
    rows: 2,
    others: 1,
    inserts: 2,
    refusedInserts: 1,
    insertTimes: 3,
    queries: 1,
    failures: 1,
    strangers: 1,
    queryTimes: 2,
  });
});

test('statements that run are seen running', async () => {
  const running = async () => seriesValue(await text(), 'flowspan_store_running_statements{account="reader"}');
  assert.equal(await running(), 0);
  const slow = reader.query({ query: 'SELECT sleepEachRow(1) FROM numbers(2)', format: 'TabSeparated' });
  await eventually('the query to run', async () => (await running()) === 1);
  await (await slow).text();
  assert.equal(await running(), 0);
});

test('tables, memory and disk are measured by upkeep', async () => {
  await store.kill('SIGTERM');
  await store.restart();
  await eventually('upkeep', async () => seriesValue(await text(), 'flowspan_store_upkeeps_total{result="ok"}') > 0);
  const page = await text();
  assert.equal(seriesValue(page, 'flowspan_store_table_rows{table="losses"}'), 2);
  assert.ok(seriesValue(page, 'flowspan_store_table_bytes{table="losses"}') > 100);
  assert.equal(seriesValue(page, 'flowspan_store_table_parts{table="losses"}'), 1);
  assert.equal(seriesValue(page, 'flowspan_store_table_rows{table="requests"}'), 0);
  assert.ok(seriesValue(page, 'flowspan_store_byte_budget_bytes') > 1e9);
  assert.ok(seriesValue(page, 'flowspan_store_filesystem_free_bytes') > 1e6);
  assert.ok(seriesValue(page, 'flowspan_store_engine_memory_bytes') > 1e6);
  assert.ok(
    Math.abs(seriesValue(page, 'flowspan_store_upkeep_last_success_timestamp_seconds') - Date.now() / 1000) < 60,
  );
});

test('what upkeep deletes is counted; a table that is gone has no size any more', async () => {
  const metrics = metricsOf();
  const size = { rows: 5, bytes: 50, parts: 2 };
  metrics.measured(
    [
      { table: 'flows', ...size },
      { table: 'old', ...size },
    ],
    7,
  );
  metrics.expired([
    { table: 'flows', rows: 3, bytes: 30 },
    { table: 'flows', rows: 2, bytes: 20 },
  ]);
  metrics.measured([{ table: 'flows', ...size }], 8);
  metrics.upkept(false);
  const { body } = await metrics.page.answer(undefined);
  const value = (name: string) => seriesValue(body, `flowspan_store_${name}`);
  assert.equal(value('table_rows{table="flows"}'), 5);
  assert.doesNotMatch(body, /table_(rows|bytes|parts)\{table="old"\}/);
  assert.equal(value('expired_partitions_total{table="flows"}'), 2);
  assert.equal(value('expired_rows_total{table="flows"}'), 5);
  assert.equal(value('engine_memory_bytes'), 8);
  assert.equal(value('upkeeps_total{result="failed"}'), 1);
});
