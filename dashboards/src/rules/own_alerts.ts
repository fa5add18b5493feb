/** Alerts about Flowspan itself: what it lost, how far it trails, whether it is there. */
import { selector, sumRate } from '../queries/promql.ts';
import { RATE_WINDOW_S } from './recording.ts';
import type { AlertRule, RuleContext } from './rule.ts';
import { THRESHOLDS } from './thresholds.ts';

const share = '{{ $value | humanizePercentage }}';

/** All alerts about Flowspan itself. They keep `instance`: it says which machine to look at. */
export function ownAlerts({ span, links }: RuleContext): AlertRule[] {
  const window = span(RATE_WINDOW_S);
  const dashboardUrl = `${links.grafana}/d/flowspan-health`;
  const completeness = `${links.queryApi}/v1/edges?since=15m`;
  const about = { dashboardUrl, firstQuery: completeness };
  // Packet drops beyond the rate that is told one by one are counted, on purpose, not lost by failure.
  const lost = selector('flowspan_collector_lost_records_total', 'reason!="drop_event_limit"');
  const byKind = ['instance', 'kind'];
  return [
    {
      alert: 'FlowspanRecordsLost',
      severity: 'warning',
      expr: `${sumRate(lost, window, byKind)} / ${sumRate('flowspan_collector_records_wanted_total', window, byKind)} > ${THRESHOLDS.lostRecordRatio}`,
      forS: 120,
      keepFiringS: 900,
      summary: 'Flowspan loses records; counts of requests and events are too low.',
      description: `The collector {{ $labels.instance }} loses ${share} of its records of kind {{ $labels.kind }}.`,
      ...about,
    },
    {
      alert: 'FlowspanDetailShed',
      severity: 'info',
      expr: `${sumRate('flowspan_governor_shed_records_total', window, ['instance', 'reason'])} > 0`,
      forS: 600,
      keepFiringS: 900,
      summary: 'A collector sheds detail to stay within its budget; counts stay right, single requests are missing.',
      description:
        'The collector {{ $labels.instance }} gives {{ $value | printf "%.0f" }} records a second no row of their own ({{ $labels.reason }}).',
      ...about,
    },
    {
      alert: 'FlowspanSpansLost',
      severity: 'info',
      expr: `${sumRate('flowspan_collector_spans_lost_total', window, ['instance', 'reason'])} > 0`,
      forS: 600,
      keepFiringS: 0,
      summary: 'Spans do not reach the OpenTelemetry collector; rows and metrics are not concerned.',
      description:
        'The collector {{ $labels.instance }} loses {{ $value | printf "%.2f" }} spans a second ({{ $labels.reason }}).',
      ...about,
    },
    {
      alert: 'FlowspanMetricsOverflow',
      severity: 'info',
      expr: `${sumRate('flowspan_collector_metrics_overflow_records_total', window, ['instance'])} > 0`,
      forS: 600,
      keepFiringS: 0,
      summary: 'There are more edges than series are allowed; no alert can name the ones beyond.',
      description:
        'The collector {{ $labels.instance }} counts {{ $value | printf "%.2f" }} records a second under _overflow.',
      ...about,
    },
    {
      alert: 'FlowspanStoreLag',
      severity: 'warning',
      expr: `flowspan_collector_lag_seconds > ${THRESHOLDS.lagSeconds}`,
      forS: 300,
      keepFiringS: 0,
      summary: 'Rows reach the store late; answers end in the past.',
      description: 'The oldest row that {{ $labels.instance }} has not stored is {{ $value | humanizeDuration }} old.',
      ...about,
    },
    {
      alert: 'FlowspanSpoolFailing',
      severity: 'warning',
      expr: 'flowspan_collector_spool_failing == 1',
      forS: 120,
      keepFiringS: 0,
      summary: 'The disk takes no rows: what the store does not take is kept in memory, and lost beyond it.',
      description: 'The disk of data_dir of {{ $labels.instance }} takes no rows.',
      ...about,
    },
    {
      alert: 'FlowspanKubernetesStale',
      severity: 'warning',
      // What was never heard has the time 0, and fires as well.
      expr: `max by (instance) (time() - flowspan_kubernetes_last_event_timestamp_seconds) > ${THRESHOLDS.identityAgeSeconds}`,
      forS: 120,
      keepFiringS: 0,
      summary: 'A collector does not hear the Kubernetes API server; newer pods have no names.',
      description:
        'What {{ $labels.instance }} knows of the cluster is {{ $value | humanizeDuration }} old (decades: it never heard of it).',
      ...about,
    },
    {
      alert: 'FlowspanManifestsRefused',
      severity: 'warning',
      expr: 'max by (instance) (flowspan_manifests_refused) > 0',
      forS: 600,
      keepFiringS: 0,
      summary: 'Manifests are not in use as they are written; what was taken from them before is.',
      description: 'The collector {{ $labels.instance }} refuses {{ $value }} files and objects of its directory.',
      ...about,
    },
    {
      alert: 'FlowspanProcessDown',
      severity: 'critical',
      expr: 'up{job=~"flowspan.*"} == 0',
      forS: 120,
      keepFiringS: 0,
      summary: 'A process of Flowspan does not answer.',
      description: '{{ $labels.job }} at {{ $labels.instance }} cannot be scraped.',
      ...about,
    },
    {
      alert: 'FlowspanCollectorAbsent',
      severity: 'critical',
      expr: 'absent(flowspan_build_info{component="collector"})',
      forS: 300,
      keepFiringS: 0,
      summary: 'No collector is scraped at all; every other alert of Flowspan is blind.',
      description: 'Prometheus has no series of any collector: it scrapes none, or none runs.',
      ...about,
    },
  ];
}
