/** What the query API tells of itself at GET /metrics. */
import { Counter, Gauge, Histogram } from 'prom-client';
import { MetricsPage } from '../../collector/src/telemetry/metrics_page.ts';
import { VERSION } from '../../collector/src/version.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Counts what is asked, what is answered, and what the store is asked for it. */
export class QueryApiMetrics {
  readonly page = new MetricsPage('query-api', VERSION);
  readonly #requests;
  readonly #requestSeconds;
  readonly #inProgress;
  readonly #incomplete;
  readonly #storeSeconds;

  /** @param liveClients how many watch the live feed now */
  constructor(liveClients: () => number) {
    const registers = [this.page.registry];
    this.#requests = new Counter({
      name: 'flowspan_query_api_requests_total',
      help: 'HTTP requests that ended; status is gone where the client left before its answer was sent. Unit: requests.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'flowspan_query_api_request_seconds',
      help: 'Time from the head of a request to the last byte of its answer. Unit: seconds.',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    });
    this.#inProgress = new Gauge({
      name: 'flowspan_query_api_requests_in_progress',
      help: 'HTTP requests that are not answered yet. Unit: requests.',
      registers,
    });
    this.#incomplete = new Counter({
      name: 'flowspan_query_api_incomplete_answers_total',
      help: 'Answers whose completeness object says that they do not hold everything. Unit: answers.',
      labelNames: ['route'],
      registers,
    });
    this.#storeSeconds = new Histogram({
      name: 'flowspan_query_api_store_query_seconds',
      help: 'Duration of queries to ClickHouse; result is ok or the code of the error. Unit: seconds.',
      labelNames: ['result'],
      buckets: SECONDS,
      registers,
    });
    new Gauge({
      name: 'flowspan_query_api_live_clients',
      help: 'Clients that watch the live feed. Unit: clients.',
      registers,
      collect() {
        this.set(liveClients());
      },
    });
  }

  /** A request has begun. */
  begin(): void {
    this.#inProgress.inc();
  }

  /**
   * It has ended.
   * @param route pattern of the route; `none` where there is none
   * @param status undefined if the client left before
   * @param complete whether the answer is complete; undefined for answers that do not say
   */
  end(route: string, status: number | undefined, seconds: number, complete: boolean | undefined): void {
    this.#inProgress.dec();
    this.#requests.inc({ route, status: status ?? 'gone' });
    this.#requestSeconds.observe({ route }, seconds);
    if (complete === false) this.#incomplete.inc({ route });
  }

  /** @param result `ok` or a FLOW_QUERY_ code */
  storeQuery(result: string, seconds: number): void {
    this.#storeSeconds.observe({ result }, seconds);
  }
}
