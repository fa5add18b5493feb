/** GET /metrics, the same for collector, store and query API. */
import { collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import {
  boundText,
  CONTENT_TYPES,
  type Family,
  formatOf,
  labelsText,
  type MetricsFormat,
  metricsText,
} from './metrics_text.ts';

/** How often the event loop's delay is measured, milliseconds; each time costs a wake-up. */
const LOOP_DELAY_PRECISION_MS = 500;
const LOOP_DELAY = /^nodejs_eventloop_lag_(min|max|mean|p\d+)_seconds$/;
/** prom-client's sums of labelled families, gauges with the name of a counter. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

/** An answer to GET /metrics, as a whole or in pieces. */
export interface MetricsAnswer<Body = string> {
  readonly contentType: string;
  readonly body: Body;
}

/** What one process tells of itself. */
export class MetricsPage {
  /** Counters, gauges and histograms of prom-client register here; it holds those of the process already. */
  readonly registry = new Registry();
  readonly #sources: ((format: MetricsFormat) => Iterable<Family>)[] = [];

  /**
   * @param component `collector`, `store` or `query-api`
   * @param version Flowspan's
   */
  constructor(component: string, version: string) {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_DELAY_PRECISION_MS });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    const build = new Gauge({
      name: 'flowspan_build_info',
      help: 'Version of this component of Flowspan; the value is always 1. Unit: 1.',
      labelNames: ['component', 'version'],
      registers: [this.registry],
    });
    build.set({ component, version }, 1);
  }

  /** Adds families that are not prom-client's; asked at every scrape, and read while the answer is written. */
  add(source: (format: MetricsFormat) => Iterable<Family>): void {
    this.#sources.push(source);
  }

  /**
   * An answer that is written while it is sent; between two pieces other work gets its turn.
   * @param accept the request's Accept header
   */
  pieces(accept: string | undefined): MetricsAnswer<AsyncGenerator<string>> {
    const format = formatOf(accept);
    return { contentType: CONTENT_TYPES[format], body: this.#write(format) };
  }

  /** The same as a whole. */
  async answer(accept: string | undefined): Promise<MetricsAnswer> {
    const { contentType, body } = this.pieces(accept);
    const written: string[] = [];
    for await (const piece of body) written.push(piece);
    return { contentType, body: written.join('') };
  }

  async *#write(format: MetricsFormat): AsyncGenerator<string> {
    // its types call the metrics plain objects
    const metrics = this.registry.getMetricsAsArray() as unknown as Metric[];
    const own = await Promise.all(metrics.map(familyOf));
    yield* metricsText([...own, ...this.#sources.flatMap((source) => [...source(format)])], format);
  }
}

/** How late the loop was, seconds: Node tells the whole time between two looks; before the first one, next to for ever. */
function lateness(betweenLooks: number): number {
  return betweenLooks < 1e6 ? Math.max(0, betweenLooks - LOOP_DELAY_PRECISION_MS / 1000) : 0;
}

/** What prom-client says of one metric, as a family. */
async function familyOf(metric: Metric): Promise<Family> {
  const { name, help, type, values } = await metric.get();
  return {
    name,
    help,
    type: String(type) as Family['type'],
    samples: (values as readonly Value[]).map(({ labels, value, metricName = name }) => ({
      suffix: metricName.slice(name.length),
      labels: labelsText(typeof labels.le === 'number' ? { ...labels, le: boundText(labels.le) } : labels),
      value: LOOP_DELAY.test(name) ? lateness(value) : value,
    })),
  };
}

/** Histograms name each of their lines, which the types do not tell. */
interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
