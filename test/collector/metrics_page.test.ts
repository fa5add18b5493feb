/** The page of metrics that collector, store and query API share. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Counter, Histogram } from 'prom-client';
import { MetricsPage } from '../../collector/src/telemetry/metrics_page.ts';
import { type Family, formatOf, labelsText, metricsText } from '../../collector/src/telemetry/metrics_text.ts';

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

function page(): MetricsPage {
  const made = new MetricsPage('store', '1.2.3');
  const registers = [made.registry];
  const counter = new Counter({
    name: 'flowspan_test_bytes_total',
    help: 'A "help" \\ text.',
    labelNames: ['name'],
    registers,
  });
  counter.inc({ name: 'a "b" \\ \n' }, 2);
  const histogram = new Histogram({ name: 'flowspan_test_seconds', help: 'Time.', buckets: [0.1, 1], registers });
  histogram.observe(0.5);
  return made;
}

for (const [accept, format] of [
  [undefined, 'text'],
  ['*/*', 'text'],
  ['text/plain', 'text'],
  ['application/json', 'text'],
  [OPENMETRICS, 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['application/openmetrics-text;q=0.4, text/plain;q=0.8', 'text'],
  ['application/openmetrics-text;q=0', 'text'],
] as const) {
  test(`Accept: ${accept} is answered as ${format}`, () => assert.equal(formatOf(accept), format));
}

test("the text passes Prometheus's own check", async (t) => {
  if (spawnSync('promtool', ['--version']).error !== undefined) return t.skip('promtool is not installed');
  const { body } = await page().answer(undefined);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
  assert.deepEqual([checked.status, checked.stdout + checked.stderr], [0, '']);
});

test('a counter is the same series in both formats, in any order of asking', async () => {
  const made = page();
  for (const accept of [undefined, OPENMETRICS, undefined, OPENMETRICS]) {
    const { body } = await made.answer(accept);
    assert.match(body, /^flowspan_test_bytes_total\{name="a \\"b\\" \\\\ \\n"\} 2$/m);
    assert.match(body, /^flowspan_test_seconds_bucket\{le="1.0"\} 1$/m);
    assert.match(body, /^flowspan_test_seconds_bucket\{le="\+Inf"\} 1$/m);
    assert.match(body, /^flowspan_test_seconds_count 1$/m);
    assert.match(body, /^flowspan_build_info\{component="store",version="1.2.3"\} 1$/m);
    assert.match(body, /^process_resident_memory_bytes \d+$/m);
  }
});

test('the event loop is not late before it was looked at', async () => {
  const { body } = await page().answer(undefined);
  for (const which of ['min', 'max', 'mean', 'p99']) {
    assert.match(body, new RegExp(`^nodejs_eventloop_lag_${which}_seconds 0$`, 'm'));
  }
});

test('OpenMetrics has types, units and an end; text has the full name of a counter', async () => {
  const made = page();
  const open = await made.answer(OPENMETRICS);
  assert.equal(open.contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.match(
    open.body,
    /^# TYPE flowspan_test_bytes counter\n# UNIT flowspan_test_bytes bytes\n# HELP flowspan_test_bytes A \\"help\\" \\\\ text.\n/m,
  );
  assert.match(open.body, /^# UNIT flowspan_test_seconds seconds$/m);
  assert.ok(open.body.endsWith('\n# EOF\n'));
  const text = await made.answer(undefined);
  assert.equal(text.contentType, 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(
    text.body,
    /^# HELP flowspan_test_bytes_total A "help" \\\\ text.\n# TYPE flowspan_test_bytes_total counter\n/m,
  );
  assert.doesNotMatch(text.body, /^# UNIT|# EOF/m);
});

test('families that are not prom-client’s are asked at each scrape; exemplars are OpenMetrics only', async () => {
  const made = page();
  let value = 0;
  made.add(() => {
    value += 1;
    const exemplar = { labels: labelsText({ trace_id: 'ab' }), value: 0.25, seconds: 1.5 };
    const samples = [{ suffix: '_bucket', labels: 'le="+Inf"', value, exemplar }];
    return [{ name: 'flowspan_more_seconds', help: 'More.', type: 'histogram', samples }];
  });
  assert.match((await made.answer(undefined)).body, /^flowspan_more_seconds_bucket\{le="\+Inf"\} 1$/m);
  const { body } = await made.answer(OPENMETRICS);
  assert.match(body, /^flowspan_more_seconds_bucket\{le="\+Inf"\} 2 # \{trace_id="ab"\} 0.25 1.5$/m);
});

test('other work gets its turn while a long answer is written', async () => {
  let turns = 0;
  const count = () => {
    turns += 1;
    if (turns < 1000) immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const samples = Array.from({ length: 10_000 }, (_, at) => ({ suffix: '', labels: `at="${at}"`, value: at }));
  const family: Family = { name: 'flowspan_many', help: 'Many.', type: 'gauge', samples };
  let text = '';
  for await (const piece of metricsText([family], 'text')) text += piece;
  clearImmediate(immediate);
  assert.equal(text.split('\n').length, 10_003);
  assert.ok(turns >= 10, `${turns} turns`);
});
