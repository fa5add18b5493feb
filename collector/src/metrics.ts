/** GET /metrics of the collector: edges, the collector itself, and on request what its BPF programs cost. */
import { Counter, Histogram } from 'prom-client';
import type { Kubernetes } from './control/kubernetes/open.ts';
import type { Dataplane } from './dataplane.ts';
import { BpfRunTime } from './deliver/prometheus/bpf_run_time.ts';
import { DATAPLANE_INFOS, dataplaneFamilies } from './deliver/prometheus/dataplane_families.ts';
import type { FamilyInfo } from './deliver/prometheus/edge_family.ts';
import { EdgeMetrics, type EdgeMetricsOptions } from './deliver/prometheus/edge_metrics.ts';
import { KUBERNETES_INFOS, kubernetesFamilies } from './deliver/prometheus/kubernetes_families.ts';
import { MANIFEST_INFOS, manifestFamilies } from './deliver/prometheus/manifest_families.ts';
import { PART_INFOS, partFamilies } from './deliver/prometheus/part_families.ts';
import { Scrapes } from './deliver/prometheus/scrapes.ts';
import { type SelfParts, selfFamilies } from './deliver/prometheus/self_families.ts';
import type { Attempt } from './deliver/sender.ts';
import { GOVERNOR_INFOS, governorFamilies } from './govern/families.ts';
import type { Governor } from './govern/governor.ts';
import { shedRecords } from './govern/shed_records.ts';
import { MetricsPage } from './telemetry/metrics_page.ts';
import { CONTENT_TYPES, formatOf, metricsText } from './telemetry/metrics_text.ts';
import { VERSION } from './version.ts';

const BATCH_ROWS = [1, 10, 100, 1000, 10_000, 50_000, 100_000, 500_000];
const INSERT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LATE_SECONDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800];
const DRAIN_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** The metrics of one collector. */
export class CollectorMetrics {
  /** Counts what the data path sees. */
  readonly edges: EdgeMetrics;
  readonly page = new MetricsPage('collector', VERSION);
  /** What of a scrape the collector's own parts observe, as prom-client's. */
  readonly #batchRows: Histogram<'table'>;
  readonly #insertSeconds: Histogram<'table'>;
  readonly #insertFailures: Counter;
  readonly #drainSeconds: Histogram;
  readonly #addressLate: Histogram;
  #bpf: BpfRunTime | undefined;
  #self: ReturnType<typeof selfFamilies> | undefined;

  constructor(options: EdgeMetricsOptions) {
    this.edges = new EdgeMetrics(options);
    const registers = [this.page.registry];
    const histogram = <Label extends string>(name: string, help: string, buckets: number[], labelNames: Label[] = []) =>
      new Histogram({ name: `flowspan_collector_${name}`, help, buckets, labelNames, registers });
    this.#batchRows = histogram('batch_rows', 'Rows of one insert that ClickHouse took. Unit: rows.', BATCH_ROWS, [
      'table',
    ]);
    this.#insertSeconds = histogram(
      'insert_seconds',
      'Duration of inserts that ClickHouse took. Unit: seconds.',
      INSERT_SECONDS,
      ['table'],
    );
    this.#insertFailures = new Counter({
      name: 'flowspan_collector_insert_failures_total',
      help: 'Attempts to insert that failed or were refused. Unit: inserts.',
      registers,
    });
    this.#drainSeconds = histogram(
      'drain_seconds',
      "Duration of looks at the kernel's rings that found records, rows included. Unit: seconds.",
      DRAIN_SECONDS,
    );
    this.#addressLate = new Histogram({
      name: 'flowspan_kubernetes_address_told_late_seconds',
      help: 'From when a pod of this node surely had its address until the row that says so was written, of pods that began while this collector watched. Unit: seconds.',
      buckets: LATE_SECONDS,
      registers,
    });
    this.page.add((format) => this.edges.families(format));
  }

  /** From now on the collector's own numbers are told as well. */
  tell(
    parts: Omit<SelfParts, 'edges'> & {
      readonly governor: Pick<Governor, 'level' | 'throttledCgroups'>;
      readonly kubernetes: Pick<Kubernetes, 'watch' | 'identity' | 'manifests'> | undefined;
      readonly dataplane: Pick<Dataplane, 'families'> | undefined;
    },
  ): void {
    const self = selfFamilies({ ...parts, edges: this.edges.edges });
    this.#self = self;
    this.#bpf = new BpfRunTime(parts.kernel);
    this.page.add(() => self.families());
    this.page.add(() => governorFamilies(parts.governor, shedRecords(parts.counters)));
    const { watch, identity, manifests } = parts.kubernetes ?? {};
    this.page.add(() => kubernetesFamilies(watch?.status() ?? [], identity?.ownAddresses.rows));
    this.page.add(() => manifestFamilies(manifests?.status()));
    this.page.add(() => partFamilies(parts.dataplane?.families() ?? dataplaneFamilies('none', [])));
    if (identity !== undefined) identity.ownAddresses.toldLate = (seconds) => this.#addressLate.observe(seconds);
  }

  /** Told of each look that found records. @param beganMs performance.now() before it */
  readonly looked = (_bytes: number, beganMs: number): void => {
    this.#drainSeconds.observe((performance.now() - beganMs) / 1000);
  };

  /** Told of each attempt to insert. @param beganMs performance.now() before it */
  readonly sent = (table: string, rows: number, beganMs: number, answer: Attempt): void => {
    if (answer !== 'stored') {
      this.#insertFailures.inc();
      return;
    }
    this.#batchRows.observe({ table }, rows);
    this.#insertSeconds.observe({ table }, (performance.now() - beganMs) / 1000);
  };

  /** Who answers what path. */
  routes(): ReadonlyMap<string, Scrapes> {
    return new Map([
      ['/metrics', new Scrapes({ pieces: (accept) => this.page.pieces(accept) })],
      [
        '/metrics/bpf',
        new Scrapes({
          pieces: (accept) => {
            this.#bpf?.count();
            const format = formatOf(accept);
            return { contentType: CONTENT_TYPES[format], body: metricsText(this.#bpf?.families() ?? [], format) };
          },
        }),
      ],
    ]);
  }

  /** What is published of Flowspan's own families; those of the process are prom-client's. */
  get infos(): FamilyInfo[] {
    return [
      ...this.edges.infos,
      ...(this.#self?.infos ?? []),
      ...GOVERNOR_INFOS,
      ...KUBERNETES_INFOS,
      ...MANIFEST_INFOS,
      ...DATAPLANE_INFOS,
      ...PART_INFOS,
      ...(this.#bpf?.infos ?? []),
    ];
  }

  close(): void {
    this.#bpf?.close();
  }
}
