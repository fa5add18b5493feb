/**
 * Names, types, units and labels that were published once: dashboards and alerts of others hold on to them. What is in
 * metric_names.txt may be added to, and changes only on purpose: `UPDATE=1 node --test test/collector/metric_names.test.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import type { Metric } from 'prom-client';
import { ENUMS } from '../../bpf/wire/events.gen.ts';
import { loadConfig } from '../../collector/src/config.ts';
import { KernelWords } from '../../collector/src/correlate/kernel_words.ts';
import { Counters } from '../../collector/src/counters.ts';
import { Losses } from '../../collector/src/deliver/losses.ts';
import { SpanCounts } from '../../collector/src/deliver/spans/counts.ts';
import type { Kernel } from '../../collector/src/kernel.ts';
import { CollectorMetrics } from '../../collector/src/metrics.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';
import { promtoolComplaints, readOpenMetrics, whyNoJudge } from '../support/metrics.ts';
import { openPath } from './support/path.ts';

const skip = whyNoJudge() ?? false;
const LIST = new URL('metric_names.txt', import.meta.url);

const NOTHING_WAITS = { bytes: 0, limit_bytes: 0, memory_bytes: 0, segments: 0, disk_error: '' };

function openMetrics(): CollectorMetrics {
  const { arena, clock, ends, endpoints, requestText } = openPath();
  const counters = new Counters();
  const metrics = new CollectorMetrics({
    ...{ arena, clock, ends, endpoints, requestText },
    dropReasons: new KernelWords({}, ''),
    cluster: 'c',
    settings: { max_edges: 10, edge_idle_s: 10, exemplars: true },
  });
  const kernel = {
    recordCount: (kind: number) => ({ wanted: 1, lostRingFull: kind === ENUMS.record_kind.request ? 7 : 0, shed: 0 }),
    discardCount: () => 0,
    skippedEvents: () => 0,
    malformedRecords: () => 0,
    programStats: () => [],
  } as unknown as Kernel;
  metrics.tell({
    ...{ kernel, counters },
    losses: new Losses(counters),
    delivery: { waiting: () => NOTHING_WAITS, waitingSinceMs: () => undefined, rowsWaiting: () => 0 },
    reporter: { unobservedNs: 0n },
    live: { clients: 0 },
    spans: new SpanCounts(),
    nowMs: () => 0,
    governor: { level: 0, throttledCgroups: 0 },
    kubernetes: undefined,
    dataplane: undefined,
  });
  return metrics;
}

/** prom-client's own metrics hold their label names, which its types do not tell. */
type Labelled = Metric & { readonly name: string; readonly labelNames: readonly string[] };

test('every published name, with type, unit and labels, is in the committed list', { skip }, async () => {
  const metrics = openMetrics();
  const spans = await startOwnSpans('collector', loadConfig([], {}));
  metrics.page.add(() => spans.families());
  const infos = new Map(metrics.infos.map((info) => [info.name, info]));
  const ofClient = new Map(
    (metrics.page.registry.getMetricsAsArray() as unknown as Labelled[]).map((metric) => [metric.name, metric]),
  );
  const onPage = readOpenMetrics((await metrics.page.answer('application/openmetrics-text')).body);
  const shown = onPage.map(({ name: family, type, help, unit: suffix, lines }) => {
    const name = type === 'counter' ? `${family}_total` : family;
    const unit = (infos.get(name)?.unit ?? /Unit: (.+)\.$/.exec(help)?.[1] ?? suffix).replaceAll(' ', '-') || '-';
    const labels = infos.get(name)?.labels ?? ofClient.get(name)?.labelNames ?? Object.keys(lines[0]?.labels ?? {});
    return `${name} ${type} ${unit} ${labels.join(',')}`.trim();
  });
  const onRequest = metrics.infos.filter(({ name }) => name.startsWith('flowspan_bpf_'));
  const all = [...shown, ...onRequest.map(({ name, type, unit, labels }) => `${name} ${type} ${unit} ${labels}`)];
  assert.deepEqual(
    [...infos.keys()].filter((name) => !all.some((line) => line.startsWith(`${name} `))),
    [],
  );
  if (process.env.UPDATE === '1') writeFileSync(LIST, `${all.toSorted().join('\n')}\n`);
  assert.deepEqual(all.toSorted(), readFileSync(LIST, 'utf8').trim().split('\n'));
});

test('before anything has happened the answer is as good as later', { skip }, async () => {
  const { page } = openMetrics();
  assert.equal(promtoolComplaints((await page.answer('text/plain')).body), '');
  const families = readOpenMetrics((await page.answer('application/openmetrics-text')).body);
  const wanted = families.find(({ name }) => name === 'flowspan_collector_records_wanted');
  assert.deepEqual(
    wanted?.lines.map(({ labels, value }) => [labels.kind, value]),
    [
      ['flow', 1],
      ['tcp_event', 1],
      ['request', 1],
      ['cgroup', 1],
    ],
  );
  const lost = families.find(({ name }) => name === 'flowspan_collector_lost_records')?.lines ?? [];
  const ringFull = lost.filter(({ labels }) => labels.reason === 'ring_full');
  assert.deepEqual(
    ringFull.map(({ labels, value }) => `${labels.kind} ${value}`),
    ['flow 0', 'tcp_event 0', 'request 7', 'cgroup 0'],
  );
  assert.ok(
    lost.some(({ labels, value }) => labels.kind === 'flow' && labels.reason === 'spool_dropped' && value === 0),
  );
  for (const { name, help } of families) assert.notEqual(help, '', name);
});
