/**
 * The service graph by the names that Grafana and Tempo use, made of the durations of HTTP requests when somebody asks.
 * A request is in the total once: as its server saw it, else, where nobody watched that end, as its client did.
 */
import { ENUMS } from '../../../../bpf/wire/events.gen.ts';
import type { Family, Sample } from '../../telemetry/metrics_text.ts';
import { bucketLabels, type EdgeHistogram, type FamilyInfo, histogramLines, pointOf, whatOf } from './edge_family.ts';
import type { Edges } from './edges.ts';
import { NO_ROW, Series } from './series.ts';

const LABELS = [
  'client',
  'server',
  'connection_type',
  'client_service_namespace',
  'server_service_namespace',
  'cluster',
];
const { client: CLIENT, server: SERVER } = ENUMS.observation_point;

const info = (name: string, type: Family['type'], help: string, unit: string): FamilyInfo => ({
  name: `traces_service_graph_${name}`,
  type,
  help: `${help} Unit: ${unit}.`,
  unit,
  labels: LABELS,
});
const TOTAL = info('request_total', 'counter', 'HTTP requests from client to server, each once.', 'requests');
const FAILED_TOTAL = info(
  'request_failed_total',
  'counter',
  'Of traces_service_graph_request_total, those answered with 5xx or not at all.',
  'requests',
);
const SERVER_SECONDS = info(
  'request_server_seconds',
  'histogram',
  'HTTP requests by duration, as the server saw them.',
  'seconds',
);
const CLIENT_SECONDS = info(
  'request_client_seconds',
  'histogram',
  'HTTP requests by duration, as the client saw them.',
  'seconds',
);

/** The service graph over durations that are kept elsewhere. */
export class ServiceGraph {
  readonly infos: readonly FamilyInfo[] = [TOTAL, FAILED_TOTAL, SERVER_SECONDS, CLIENT_SECONDS];
  readonly #edges: Edges;
  readonly #durations: EdgeHistogram;
  readonly #failed: readonly boolean[];
  readonly #les: readonly string[];
  /** Requests that only their client saw, by outcome. */
  readonly #alone = new Series({ width: 1 });

  /** @param failed whether an outcome is an error, by its number */
  constructor(edges: Edges, durations: EdgeHistogram, failed: readonly boolean[]) {
    this.#edges = edges;
    this.#durations = durations;
    this.#failed = failed;
    this.#les = bucketLabels(durations.buckets);
  }

  /** Counts requests whose server is not observed. */
  alone(edge: number, outcome: number, count: number): void {
    this.#alone.add(edge, outcome, count);
  }

  drop(edge: number): void {
    this.#alone.drop(edge);
  }

  *families(): Generator<Family> {
    yield { ...TOTAL, samples: this.#counts(() => true) };
    yield { ...FAILED_TOTAL, samples: this.#counts((outcome) => this.#failed[outcome] === true) };
    yield { ...SERVER_SECONDS, samples: this.#histograms(SERVER) };
    yield { ...CLIENT_SECONDS, samples: this.#histograms(CLIENT) };
  }

  *#counts(counted: (outcome: number) => boolean): Generator<Sample> {
    for (const edge of this.#withRequests()) {
      let value = 0;
      const { series } = this.#durations;
      for (let row = series.first(edge); row !== NO_ROW; row = series.next(row)) {
        const cell = series.cell(row);
        if (pointOf(cell) !== SERVER || !counted(whatOf(cell))) continue;
        for (let bucket = 0; bucket < this.#les.length; bucket += 1) {
          value += series.values[row * series.width + bucket] as number;
        }
      }
      for (let row = this.#alone.first(edge); row !== NO_ROW; row = this.#alone.next(row)) {
        if (counted(this.#alone.cell(row))) value += this.#alone.values[row] as number;
      }
      yield { suffix: '', labels: this.#edges.graph(edge), value };
    }
  }

  *#histograms(point: number): Generator<Sample> {
    const { series } = this.#durations;
    const sum = new Float64Array(series.width);
    for (const edge of this.#withRequests()) {
      sum.fill(0);
      let rows = 0;
      for (let row = series.first(edge); row !== NO_ROW; row = series.next(row)) {
        if (pointOf(series.cell(row)) !== point) continue;
        rows += 1;
        for (let at = 0; at < series.width; at += 1) {
          sum[at] = (sum[at] as number) + (series.values[row * series.width + at] as number);
        }
      }
      if (rows > 0) yield* histogramLines(sum, this.#edges.graph(edge), this.#les, this.#durations.per);
    }
  }

  /** Edges that were there when the answer was begun and have had requests. */
  *#withRequests(): Generator<number> {
    const { serial, used } = this.#edges;
    for (let edge = 0; edge < used; edge += 1) {
      const old = this.#edges.has(edge) && this.#edges.serialOf(edge) <= serial;
      if (old && this.#durations.series.first(edge) !== NO_ROW) yield edge;
    }
  }
}
