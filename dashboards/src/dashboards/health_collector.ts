/** What the collector does: records, rows, delivery, spans. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';
import { sumRate } from '../queries/promql.ts';
import { NOW } from '../variables.ts';
import { INSTANCE, quantiles, rates } from './health_lines.ts';
import { NOTHING_LOST } from './shared.ts';

/** From the rings to the store. */
export const COLLECTOR: Section = {
  title: 'Collector',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Records',
            description:
              'Records per second by kind: wanted by the kernel, and read from its rings. The difference is lost.',
          },
          'cps',
          [
            rates('flowspan_collector_records_wanted_total', ['kind'], 'wanted: {{kind}}'),
            rates('flowspan_collector_records_read_total', ['kind'], 'read: {{kind}}'),
            rates('flowspan_collector_records_aggregated_total', ['kind'], 'without a row of their own: {{kind}}'),
            rates('flowspan_collector_records_discarded_total', ['kind'], 'damaged: {{kind}}'),
          ],
        ),
        graph(
          {
            title: 'Rows',
            description:
              'Rows per second by kind: made of records, found in the spool at a start, and acknowledged by the store.',
          },
          'cps',
          [
            rates('flowspan_collector_rows_total', ['kind'], 'made: {{kind}}'),
            rates('flowspan_collector_rows_left_over_total', ['kind'], 'left by earlier runs: {{kind}}'),
            rates('flowspan_collector_rows_stored_total', ['kind'], 'stored: {{kind}}'),
          ],
        ),
        graph(
          {
            title: 'Lost records by reason',
            description:
              'Records per second that were lost: ring_full (the collector was too slow), spool_dropped (the store was away too long), and others.',
            emptyWhen: NOTHING_LOST,
          },
          'cps',
          [rates('flowspan_collector_lost_records_total', ['kind', 'reason'], '{{kind}}: {{reason}}')],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Detail shed',
            description:
              'Records per second that were counted and got no row of their own on purpose: of all requests and TCP events (governor), or of a noisy cgroup (noisy_cgroup). Rows that were kept stand for them by their weight.',
            emptyWhen: 'nothing was shed',
          },
          'cps',
          [rates('flowspan_governor_shed_records_total', ['kind', 'reason'], '{{kind}}: {{reason}}')],
        ),
        graph(
          {
            title: 'Governor',
            description:
              'Level of each collector: 0 all detail, 1 to 6 a row for one of 2 to 64 ordinary requests, 7 TCP events counted only, 8 rows of open connections less often, 9 and 10 fewer rows of failed requests too. Beside it the cgroups that are throttled alone.',
          },
          'short',
          [
            { expr: own.highest('flowspan_governor_level', ['instance']), legend: `level ${INSTANCE}` },
            {
              expr: own.highest('flowspan_governor_throttled_cgroups', ['instance']),
              legend: `throttled cgroups ${INSTANCE}`,
            },
          ],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph({ title: 'Lag by collector', description: 'Age of the oldest record that is not stored yet.' }, 's', [
          { expr: own.highest('flowspan_collector_lag_seconds', ['instance']), legend: INSTANCE },
        ]),
        graph({ title: 'Spool by collector', description: 'Bytes that wait on disk to be stored.' }, 'bytes', [
          { expr: own.gauge('flowspan_collector_spool_bytes', ['instance']), legend: INSTANCE },
        ]),
        graph(
          {
            title: 'Rows that wait',
            description: 'Rows in memory and spool that the store does not have yet, by kind.',
          },
          'short',
          [{ expr: own.gauge('flowspan_collector_rows_waiting', ['kind']), legend: '{{kind}}' }],
        ),
        graph(
          {
            title: 'Time not watched',
            description: 'Seconds per second in which a collector was not watching: after a restart or a crash.',
          },
          'percentunit',
          [rates('flowspan_collector_unobserved_seconds_total', ['instance'], INSTANCE)],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          { title: 'Inserts', description: 'Quantiles of the time that the store takes for a batch, by table.' },
          's',
          quantiles('flowspan_collector_insert_seconds', ['table'], '{{table}}'),
        ),
        graph(
          { title: 'Batch size', description: 'Quantiles of the rows in a batch, by table.' },
          'short',
          quantiles('flowspan_collector_batch_rows', ['table'], '{{table}}'),
        ),
        graph(
          {
            title: 'Failed inserts',
            description: 'Batches per second that the store refused or did not answer; they are tried again.',
          },
          'cps',
          [rates('flowspan_collector_insert_failures_total', ['instance'], INSTANCE)],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Drain',
            description: 'Quantiles of the time that one look into the rings takes; what takes long fills the rings.',
          },
          's',
          quantiles('flowspan_collector_drain_seconds', ['instance'], INSTANCE),
        ),
        graph(
          {
            title: 'Discards by reason',
            description: 'Facts per second that kernel side or collector knowingly left out, by reason.',
            emptyWhen: 'nothing was left out',
          },
          'cps',
          [rates('flowspan_collector_discards_total', ['reason'], '{{reason}}')],
        ),
        graph(
          {
            title: 'BPF run time by program',
            description:
              'Processor time per second of each BPF program. Prometheus has to scrape /metrics/bpf, which turns the kernel’s statistics on and costs every program some 20 ns a run.',
            emptyWhen: '/metrics/bpf is not scraped',
          },
          's',
          [rates('flowspan_bpf_run_seconds_total', ['program'], '{{program}}')],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'BPF time per run',
            description: 'Mean time of one run of each BPF program.',
            emptyWhen: '/metrics/bpf is not scraped',
          },
          's',
          [
            {
              expr: `${sumRate('flowspan_bpf_run_seconds_total', NOW, ['program'])} / (${sumRate('flowspan_bpf_runs_total', NOW, ['program'])} > 0)`,
              legend: '{{program}}',
            },
          ],
        ),
        graph(
          {
            title: 'Edges in /metrics',
            description:
              'Edges that the collector holds for /metrics; at its limit new ones go to the series _overflow.',
          },
          'short',
          [{ expr: own.gauge('flowspan_collector_metrics_edges', ['instance']), legend: INSTANCE }],
        ),
        graph(
          {
            title: 'Edges without room, edges expired',
            description:
              'Records per second counted under _overflow, and edges per second dropped from /metrics because they were idle.',
          },
          'cps',
          [
            rates('flowspan_collector_metrics_overflow_records_total', ['instance'], 'overflow {{instance}}'),
            rates('flowspan_collector_metrics_expired_edges_total', ['instance'], 'expired {{instance}}'),
          ],
        ),
      ],
    },
  ],
};

/** What leaves beside the store. */
export const SPANS: Section = {
  title: 'Spans and live feed',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Sampling decisions',
            description:
              'Requests per second by why they are sent as a span: error, slow, evidence, parent, ratio; or not_sent.',
          },
          'reqps',
          [rates('flowspan_collector_spans_total', ['decision'], '{{decision}}')],
          { stacked: true },
        ),
        graph(
          {
            title: 'Spans sent and lost',
            description: 'Spans per second that the OTLP endpoint took, and that were lost by reason.',
            emptyWhen: 'no OTLP endpoint is configured',
          },
          'cps',
          [
            rates('flowspan_collector_spans_exported_total', [], 'sent'),
            rates('flowspan_collector_spans_lost_total', ['reason'], 'lost: {{reason}}'),
          ],
        ),
        graph(
          { title: 'Live clients', description: 'Clients of the live feed, at the collectors and at the query API.' },
          'short',
          [
            { expr: own.gauge('flowspan_collector_live_clients'), legend: 'collector' },
            { expr: own.gauge('flowspan_query_api_live_clients'), legend: 'query API' },
          ],
        ),
      ],
    },
  ],
};
