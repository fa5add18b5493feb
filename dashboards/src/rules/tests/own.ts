/** Tests of the alerts about Flowspan itself. */
import { FIRING, firesInBetween, ownAlert, RESOLVED, type Scenario, WAITING } from './scenario.ts';
import { counter, gauge, STEP_S, steady, WELL, WRONG, wrong } from './series.ts';

const COLLECTOR = { instance: 'n1:7471', job: 'flowspan-collector' };
const OTHER = { instance: 'n2:7471', job: 'flowspan-collector' };
const WANTED = 'flowspan_collector_records_wanted_total';
const HEARD = 'flowspan_kubernetes_last_event_timestamp_seconds';
const LOST = 'flowspan_collector_lost_records_total';

export const OWN: readonly Scenario[] = [
  {
    name: 'one request record of a hundred is lost; drops beyond the rate that is told are not lost',
    series: [
      counter(WANTED, { ...COLLECTOR, kind: 'request' }, ...steady(100)),
      counter(LOST, { ...COLLECTOR, kind: 'request', reason: 'ring_full' }, ...wrong(1)),
      counter(WANTED, { ...OTHER, kind: 'request' }, ...steady(10_000)),
      counter(LOST, { ...OTHER, kind: 'request', reason: 'ring_full' }, ...wrong(1)),
      counter(WANTED, { ...OTHER, kind: 'tcp_event' }, ...steady(100)),
      counter(LOST, { ...OTHER, kind: 'tcp_event', reason: 'drop_event_limit' }, ...wrong(50)),
    ],
    alerts: firesInBetween(
      'FlowspanRecordsLost',
      ownAlert(
        'FlowspanRecordsLost',
        { instance: 'n1:7471', kind: 'request' },
        'The collector n1:7471 loses 1% of its records of kind request.',
      ),
    ),
  },
  {
    name: 'a collector sheds request rows of a noisy cgroup; another did so before and is well',
    series: [
      counter(
        'flowspan_governor_shed_records_total',
        { ...COLLECTOR, kind: 'request', reason: 'noisy_cgroup' },
        ...wrong(900),
      ),
      counter('flowspan_governor_shed_records_total', { ...OTHER, kind: 'request', reason: 'governor' }, ...steady(0)),
    ],
    alerts: firesInBetween(
      'FlowspanDetailShed',
      ownAlert(
        'FlowspanDetailShed',
        { instance: 'n1:7471', reason: 'noisy_cgroup' },
        'The collector n1:7471 gives 900 records a second no row of their own (noisy_cgroup).',
      ),
    ),
  },
  {
    name: 'spans find no OpenTelemetry collector',
    series: [
      counter('flowspan_collector_spans_lost_total', { ...COLLECTOR, reason: 'export_failed' }, ...wrong(5)),
      counter('flowspan_collector_spans_lost_total', { ...OTHER, reason: 'export_failed' }, ...steady(0)),
    ],
    alerts: firesInBetween(
      'FlowspanSpansLost',
      ownAlert(
        'FlowspanSpansLost',
        { instance: 'n1:7471', reason: 'export_failed' },
        'The collector n1:7471 loses 5.00 spans a second (export_failed).',
      ),
    ),
  },
  {
    name: 'more edges than series',
    series: [
      counter('flowspan_collector_metrics_overflow_records_total', COLLECTOR, ...wrong(7)),
      counter('flowspan_collector_metrics_overflow_records_total', OTHER, ...steady(0)),
    ],
    alerts: firesInBetween(
      'FlowspanMetricsOverflow',
      ownAlert(
        'FlowspanMetricsOverflow',
        { instance: 'n1:7471' },
        'The collector n1:7471 counts 7.00 records a second under _overflow.',
      ),
    ),
  },
  {
    name: 'the oldest row is five minutes old; 50 s is not enough',
    series: [
      gauge('flowspan_collector_lag_seconds', COLLECTOR, { minutes: WRONG, value: 300 }, { minutes: WELL, value: 0.1 }),
      gauge('flowspan_collector_lag_seconds', OTHER, { minutes: WRONG, value: 50 }, { minutes: WELL, value: 0.1 }),
    ],
    alerts: firesInBetween(
      'FlowspanStoreLag',
      ownAlert('FlowspanStoreLag', COLLECTOR, 'The oldest row that n1:7471 has not stored is 5m 0s old.'),
    ),
  },
  {
    name: 'the disk of one collector is full',
    series: [
      gauge('flowspan_collector_spool_failing', COLLECTOR, { minutes: WRONG, value: 1 }, { minutes: WELL, value: 0 }),
      gauge('flowspan_collector_spool_failing', OTHER, { minutes: WRONG + WELL, value: 0 }),
    ],
    alerts: firesInBetween(
      'FlowspanSpoolFailing',
      ownAlert('FlowspanSpoolFailing', COLLECTOR, 'The disk of data_dir of n1:7471 takes no rows.'),
    ),
  },
  {
    name: 'one resource of the API server is not heard for half an hour; the other collector hears all each minute',
    series: [
      // Times since the epoch, which is where promtool's clock begins: unheard since minute 0, then heard steadily.
      gauge(HEARD, { ...COLLECTOR, resource: 'pods' }, { minutes: WRONG, value: 0 }, { minutes: WELL, value: 1e6 }),
      ...['pods', 'nodes'].map((resource) => counter(HEARD, { ...OTHER, resource }, ...steady(1))),
      counter(HEARD, { ...COLLECTOR, resource: 'nodes' }, ...steady(1)),
    ],
    alerts: firesInBetween(
      'FlowspanKubernetesStale',
      ownAlert(
        'FlowspanKubernetesStale',
        { instance: 'n1:7471' },
        'What n1:7471 knows of the cluster is 29m 0s old (decades: it never heard of it).',
      ),
    ),
  },
  {
    name: 'a file and an object of it are refused for half an hour; the other collector accepts all',
    series: [
      gauge('flowspan_manifests_refused', COLLECTOR, { minutes: WRONG, value: 2 }, { minutes: WELL, value: 0 }),
      gauge('flowspan_manifests_refused', OTHER, { minutes: WRONG + WELL, value: 0 }),
    ],
    alerts: firesInBetween(
      'FlowspanManifestsRefused',
      ownAlert(
        'FlowspanManifestsRefused',
        { instance: 'n1:7471' },
        'The collector n1:7471 refuses 2 files and objects of its directory.',
      ),
    ),
  },
  {
    name: 'a collector cannot be scraped; the other can, and what is not Flowspan does not matter',
    series: [
      gauge('up', COLLECTOR, { minutes: WRONG, value: 0 }, { minutes: WELL, value: 1 }),
      gauge('up', OTHER, { minutes: WRONG + WELL, value: 1 }),
      gauge('up', { instance: 'x', job: 'node' }, { minutes: WRONG + WELL, value: 0 }),
    ],
    alerts: firesInBetween(
      'FlowspanProcessDown',
      ownAlert('FlowspanProcessDown', COLLECTOR, 'flowspan-collector at n1:7471 cannot be scraped.'),
    ),
  },
  {
    name: 'no collector at all, then one',
    series: [
      gauge('flowspan_build_info', { component: 'store', instance: 'n1:8123' }, { minutes: WRONG + WELL, value: 1 }),
      {
        series: 'flowspan_build_info{component="collector",instance="n1:7471"}',
        values: `_x${(WRONG * 60) / STEP_S} 1+0x${(WELL * 60) / STEP_S - 1}`,
      },
    ],
    alerts: [
      { minute: WAITING, alert: 'FlowspanCollectorAbsent', firing: [] },
      {
        minute: FIRING,
        alert: 'FlowspanCollectorAbsent',
        firing: [
          ownAlert(
            'FlowspanCollectorAbsent',
            { component: 'collector' },
            'Prometheus has no series of any collector: it scrapes none, or none runs.',
          ),
        ],
      },
      { minute: RESOLVED, alert: 'FlowspanCollectorAbsent', firing: [] },
    ],
  },
];
