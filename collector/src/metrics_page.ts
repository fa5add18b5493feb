/** GET /metrics, the same for collector, store and query API. */
import { collectDefaultMetrics, Gauge, type Metric, type MetricValue, Registry } from 'prom-client';
import { CONTENT_TYPES, type Family, formatOf, labelsText, metricsText } from './metrics_text.ts';

/** How often the event loop's delay is measured, milliseconds; each time costs a wake-up. */
const LOOP_DELAY_PRECISION_MS = 50;
/** prom-client's sums of labelled families, gauges with the name of a counter. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

/** An answer to GET /metrics. */
export interface MetricsAnswer {
  readonly contentType: string;
  readonly body: string;
}

/** What one process tells of itself. */
export class MetricsPage {
  /** Counters, gauges and histograms of prom-client register here; it holds those of the process already. */
  readonly registry = new Registry();
  readonly #sources: (() => Iterable<Family>)[] = [];

  /**
   * @param component `collector`, `store` or `query-api`
   * @param version Flowspan's
   */
  constructor(component: string, version: string) {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_DELAY_PRECISION_MS });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    const build = new Gauge({
      name: 'flowspan_build_info',
      help: 'Version of this component of Flowspan; the value is always 1.',
      labelNames: ['component', 'version'],
      registers: [this.registry],
    });
    build.set({ component, version }, 1);
  }

  /** Adds families that are not prom-client's; asked at every scrape, and read while the answer is written. */
  add(source: () => Iterable<Family>): void {
    this.#sources.push(source);
  }

  /** @param accept the request's Accept header */
  async answer(accept: string | undefined): Promise<MetricsAnswer> {
    const format = formatOf(accept);
    // its types call the metrics plain objects
    const metrics = this.registry.getMetricsAsArray() as unknown as Metric[];
    const own = await Promise.all(metrics.map(familyOf));
    const families = [...own, ...this.#sources.flatMap((source) => [...source()])];
    return { contentType: CONTENT_TYPES[format], body: await metricsText(families, format) };
  }
}

/** What prom-client says of one metric, as a family. */
async function familyOf(metric: Metric): Promise<Family> {
  const { name, help, type, values } = await metric.get();
  return {
    name,
    help,
    type: String(type) as Family['type'],
    samples: values.map(({ labels, value, metricName = name }: Value) => ({
      suffix: metricName.slice(name.length),
      labels: labelsText(labels as Record<string, string | number>),
      value,
    })),
  };
}

/** Histograms name each of their lines, which the types do not tell. */
type Value = MetricValue<string> & { readonly metricName?: string };
