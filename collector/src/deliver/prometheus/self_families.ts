/** What the collector tells of itself: how many records of which kind came how far, and what was lost. */
import { type Counters, type KindCounts, RECORD_KINDS } from '../../counters.ts';
import type { Kernel } from '../../kernel.ts';
import type { Reporter } from '../../reporter.ts';
import { rowsWaiting } from '../../row_fates.ts';
import { type Family, labelsText, type Sample } from '../../telemetry/metrics_text.ts';
import type { Delivery } from '../delivery.ts';
import type { LiveFeed } from '../live.ts';
import type { Losses } from '../losses.ts';
import type { SpanCounts } from '../spans/counts.ts';
import type { FamilyInfo } from './edge_family.ts';
import type { Edges } from './edges.ts';

export interface SelfParts {
  readonly kernel: Kernel;
  readonly counters: Counters;
  readonly losses: Losses;
  readonly delivery: Pick<Delivery, 'waiting' | 'waitingSinceMs' | 'rowsWaiting'>;
  readonly reporter: Pick<Reporter, 'unobservedNs'>;
  readonly live: Pick<LiveFeed, 'clients'>;
  readonly spans: SpanCounts;
  readonly edges: Edges;
  readonly nowMs: () => number;
}

/** Label values and the number they belong to. */
export type Row = readonly [labels: readonly string[], value: number];

interface SelfFamily {
  readonly info: FamilyInfo;
  readonly rows: () => Iterable<Row>;
}

const family = (
  type: FamilyInfo['type'],
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  rows: () => Iterable<Row>,
): SelfFamily => ({
  info: { name: `flowspan_collector_${name}`, type, unit, help: `${help} Unit: ${unit}.`, labels },
  rows,
});
const entries = (counts: Readonly<Record<string, number>>): Row[] =>
  Object.entries(counts).map(([word, count]) => [[word], count]);

/** Makes the families. Their numbers are read when an answer is written; the kernel's are asked for once by each. */
export function selfFamilies(parts: SelfParts): { infos: readonly FamilyInfo[]; families(): Generator<Family> } {
  const { counters, delivery, edges, kernel, live, losses, nowMs, reporter, spans } = parts;
  const counter = (name: string, unit: string, help: string, labels: readonly string[], rows: () => Iterable<Row>) =>
    family('counter', name, unit, help, labels, rows);
  const gauge = (name: string, unit: string, help: string, value: () => number) =>
    family('gauge', name, unit, help, [], () => [[[], value()]]);
  const total = (name: string, unit: string, help: string, value: () => number) =>
    counter(name, unit, help, [], () => [[[], value()]]);
  const byKind = (name: string, unit: string, help: string, count: keyof KindCounts) =>
    counter(name, unit, help, ['kind'], () => RECORD_KINDS.map((kind) => [[kind], counters.kinds[kind][count]]));

  const all: readonly SelfFamily[] = [
    byKind('records_wanted_total', 'records', 'Records the kernel wanted to write.', 'wanted'),
    byKind('records_read_total', 'records', "Records read from the kernel's rings.", 'read'),
    byKind('records_discarded_total', 'records', 'Records read that were damaged or named nothing.', 'discarded'),
    byKind(
      'records_aggregated_total',
      'records',
      'Records read that were counted or learned from, and got no row of their own on purpose.',
      'aggregated',
    ),
    byKind('rows_total', 'rows', 'Rows written to batches.', 'rows'),
    byKind('rows_left_over_total', 'rows', 'Rows that earlier runs had left in the spool.', 'left_over'),
    byKind('rows_stored_total', 'rows', 'Rows that ClickHouse acknowledged.', 'stored'),
    family(
      'gauge',
      'rows_waiting',
      'rows',
      'Rows in memory and spool that ClickHouse does not have yet.',
      ['kind'],
      () => Object.entries(rowsWaiting(delivery)).map(([kind, rows]) => [[kind], rows]),
    ),
    counter(
      'lost_records_total',
      'records',
      'Records that Flowspan failed to record, by kind and reason, in the kernel and after it.',
      ['kind', 'reason'],
      () => losses.totals().map(({ kind, reason, count }) => [[kind, reason], count]),
    ),
    counter(
      'discards_total',
      'facts',
      'Facts that kernel side and collector discarded, by the place that did; not each of them is a record.',
      ['reason'],
      () => [...entries(counters.discards), ...entries(counters.kernelDiscards)],
    ),
    gauge('lag_seconds', 'seconds', 'How long the oldest row waits that ClickHouse does not have yet.', () => {
      const now = nowMs();
      return Math.max(0, now - (delivery.waitingSinceMs() ?? now)) / 1000;
    }),
    gauge('spool_bytes', 'bytes', 'Rows on disk that ClickHouse does not have yet.', () => delivery.waiting().bytes),
    gauge('spool_failing', 'boolean', 'Whether the disk of the spool takes no rows: 1, or 0.', () =>
      delivery.waiting().disk_error === '' ? 0 : 1,
    ),
    gauge('live_clients', 'clients', 'Who watches the live feed.', () => live.clients),
    counter('spans_total', 'requests', 'Requests by why they were sent as spans, or not_sent.', ['decision'], () =>
      entries(spans.decisions),
    ),
    total('spans_exported_total', 'spans', 'Spans that the OpenTelemetry collector took.', () => spans.exported),
    counter('spans_lost_total', 'spans', 'Spans that were to be sent and were not.', ['reason'], () =>
      entries(spans.lost),
    ),
    gauge('metrics_edges', 'edges', 'Client-server pairs that have series of their own.', () => edges.count),
    total(
      'metrics_overflow_records_total',
      'records',
      'Records counted under _overflow, because collector.metrics.max_edges pairs had series already.',
      () => edges.overflowRecords,
    ),
    total(
      'metrics_expired_edges_total',
      'edges',
      'Client-server pairs whose series were given up after collector.metrics.edge_idle_s without a record.',
      () => edges.expired,
    ),
    total(
      'unobserved_seconds_total',
      'seconds',
      'Time between an earlier run of the collector and this one, when nobody watched.',
      () => Number(reporter.unobservedNs) / 1e9,
    ),
  ];
  return {
    infos: all.map(({ info }) => info),
    *families() {
      losses.readKernel(kernel);
      for (const { info, rows } of all) yield { ...info, samples: samplesOf(info, rows()) };
    },
  };
}

/** Lines of a family. */
export function* samplesOf({ labels: names }: FamilyInfo, rows: Iterable<Row>): Generator<Sample> {
  for (const [words, value] of rows) {
    const labels = labelsText(Object.fromEntries(names.map((name, index) => [name, words[index] as string])));
    yield { suffix: '', labels, value };
  }
}
