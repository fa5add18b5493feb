/** Keys of what Flowspan tells other systems: metrics and spans. */
import { decimal, flag, group, whole } from './config_fields.ts';
import { map, oneOf, string } from './config_schema.ts';

/** `collector.metrics` */
export const METRICS = group(
  {
    max_edges: whole(2000, 1, 100_000, {
      unit: 'count',
      description: 'Most client-server pairs with series of their own; the rest are counted together as _overflow.',
    }),
    edge_idle_s: whole(900, 10, 86_400, {
      unit: 's',
      description: 'How long the series of a pair stay after its last record.',
    }),
    exemplars: flag(true, { description: 'Whether OpenMetrics answers carry trace ids.' }),
  },
  'GET /metrics.',
);

/** `collector.spans` */
export const SPANS = group(
  {
    ratio: decimal(0.01, 0, 1, {
      reloadable: true,
      description: 'Share of requests sent as spans without further reason; both ends of a request decide alike.',
    }),
    errors: flag(true, { reloadable: true, description: 'Whether every request is sent that got a 5xx or no answer.' }),
    slow_ms: whole(1000, 0, 3_600_000, {
      unit: 'ms',
      reloadable: true,
      description: 'Requests that took this long are all sent; 0: none for that reason.',
    }),
    evidence: flag(true, {
      reloadable: true,
      description: 'Whether every request that met retransmits, timeouts or a closed window is sent.',
    }),
    follow_parent: flag(true, {
      reloadable: true,
      description: 'Whether every request is sent whose traceparent says that it is sampled.',
    }),
    max_per_second: whole(2000, 1, 1_000_000, {
      unit: 'count',
      reloadable: true,
      description: 'Most spans per second; what is beyond is counted.',
    }),
    queue_spans: whole(20_000, 1, 1_000_000, {
      unit: 'count',
      description: 'Most spans that wait for the OpenTelemetry collector; what is beyond is counted.',
    }),
  },
  'Which requests are sent as spans, if otlp.endpoint is set.',
);

/** `otlp` */
export const OTLP = group(
  {
    endpoint: string({
      default: '',
      format: 'http-url-or-empty',
      allowed: 'http:// or https:// URL without credentials and without /v1/traces, or empty',
      description: 'OTLP/HTTP endpoint, such as http://127.0.0.1:4318; empty: no spans are sent.',
    }),
    headers: map(string(), {
      default: {},
      secret: true,
      description: 'Headers of every request to it.',
    }),
    timeout_ms: whole(10_000, 100, 600_000, { unit: 'ms', description: 'Longest wait for one answer of it.' }),
    compression: oneOf(['gzip', 'none'], { default: 'gzip', description: 'Encoding of what is sent.' }),
    service_labels: flag(false, {
      description:
        "Whether a pod's labels app.kubernetes.io/instance, name and version name its service and version in spans.",
    }),
    own_spans: flag(true, { description: 'Whether Flowspan sends spans of its own work as well.' }),
  },
  'Where spans are sent to.',
);
