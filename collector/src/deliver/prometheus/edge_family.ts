/** A family of series by edge: what it is called, and its lines when somebody asks. */
import {
  boundText,
  type Exemplar,
  type Family,
  labelsText,
  type MetricsFormat,
  type Sample,
} from '../../telemetry/metrics_text.ts';
import type { Edges } from './edges.ts';
import { NO_ROW, Series } from './series.ts';

/** What is published of a family; a test compares all of it with a committed list. */
export interface FamilyInfo {
  readonly name: string;
  readonly type: Family['type'];
  readonly help: string;
  /** Unit of its values; part of the name where Prometheus wants it so. */
  readonly unit: string;
  /** Labels, in their order, `le` left out. */
  readonly labels: readonly string[];
}

/** Identity labels, the same on every family of edges. */
export const IDENTITY_LABELS = [
  'cluster',
  'source_namespace',
  'source_workload',
  'destination_namespace',
  'destination_workload',
];

/** Observation points by number: which end was observed. */
export const POINTS = ['unknown', 'client', 'server'];

/** Bits of a cell that hold the observation point. */
const POINT_BITS = 2;
/** A value of a label beyond those that are told one by one. */
const OTHER = 2 ** 28;
export const OTHER_WORD = '_other';

/** The cell of an observation point and what else a row is about; at most 28 bits. */
export function cellOf(point: number, what: number): number {
  return ((Math.min(what, OTHER) << POINT_BITS) | Math.min(point, POINTS.length - 1)) >>> 0;
}

export const pointOf = (cell: number): number => cell & (2 ** POINT_BITS - 1);
export const whatOf = (cell: number): number => cell >>> POINT_BITS;

export interface EdgeFamilyOptions {
  readonly name: string;
  /** Without its unit. */
  readonly help: string;
  readonly unit: string;
  /** Labels beside identity and observation point. */
  readonly labels?: readonly string[];
  /** Values of these labels, by what a cell is about. */
  readonly words?: (what: number) => readonly string[];
  /** What of a cell stays where an edge has too many; `many` for labels with any number of values. */
  readonly many?: (what: number) => number;
  /** What the stored numbers are divided by to be in the unit. */
  readonly per?: number;
  readonly made?: (row: number, edge: number, cell: number) => void;
}

/** The one value of a label with any number of values. */
export const ANY_WORD = () => OTHER;

/** Lines of a family, made while they are asked for. Edges that came since are left for the next time. */
export abstract class EdgeFamily {
  readonly info: FamilyInfo;
  readonly series: Series;
  protected readonly edges: Edges;
  readonly per: number;
  readonly #words: (what: number) => readonly string[];
  readonly #labels = new Map<number, string>();

  constructor(type: Family['type'], width: number, edges: Edges, options: EdgeFamilyOptions) {
    const { name, help, unit, labels = [], words = () => [], many, per = 1, made } = options;
    this.info = {
      name,
      type,
      help: `${help} Unit: ${unit}.`,
      unit,
      labels: [...IDENTITY_LABELS, 'observation_point', ...labels],
    };
    this.edges = edges;
    this.per = per;
    this.#words = (what) => (what === OTHER ? labels.map(() => OTHER_WORD) : words(what));
    this.series = new Series({
      width,
      ...(many === undefined ? {} : { beyond: (cell: number) => cellOf(pointOf(cell), many(whatOf(cell))) }),
      ...(made === undefined ? {} : { made }),
    });
  }

  /** As it is written into an answer. */
  family(format: MetricsFormat): Family {
    const { name, type, help } = this.info;
    return { name, type, help, samples: this.#samples(format) };
  }

  /** Lines of one row. @param labels of the whole row, as they stand between the braces */
  protected abstract lines(row: number, labels: string, format: MetricsFormat): Iterable<Sample>;

  *#samples(format: MetricsFormat): Generator<Sample> {
    const { edges, series } = this;
    const { rows } = series;
    const { serial } = edges;
    for (let row = 0; row < rows; row += 1) {
      const edge = series.edge(row);
      // A place given up and taken again while the answer is written could show an edge twice.
      if (edge === NO_ROW || edges.serialOf(edge) > serial) continue;
      yield* this.lines(row, `${edges.identity(edge)},${this.#cellLabels(series.cell(row))}`, format);
    }
  }

  #cellLabels(cell: number): string {
    let text = this.#labels.get(cell);
    if (text === undefined) {
      const names = this.info.labels.slice(IDENTITY_LABELS.length);
      const words = [POINTS[pointOf(cell)] as string, ...this.#words(whatOf(cell))];
      text = labelsText(Object.fromEntries(names.map((name, index) => [name, words[index] as string])));
      this.#labels.set(cell, text);
    }
    return text;
  }
}

/** A family of counters. */
export class EdgeCounter extends EdgeFamily {
  constructor(edges: Edges, options: EdgeFamilyOptions) {
    super('counter', 1, edges, options);
  }

  add(edge: number, point: number, what: number, count: number): void {
    this.series.add(edge, cellOf(point, what), count);
  }

  protected *lines(row: number, labels: string): Generator<Sample> {
    yield { suffix: '', labels, value: (this.series.values[row] as number) / this.per };
  }
}

export interface EdgeHistogramOptions extends EdgeFamilyOptions {
  /** Upper bounds of the buckets in the family's unit. */
  readonly buckets: readonly number[];
  readonly exemplar?: (row: number, bucket: number, point: string) => Exemplar | undefined;
}

/** A family of histograms: in each row its buckets, not added up, then the sum. */
export class EdgeHistogram extends EdgeFamily {
  readonly buckets: readonly number[];
  readonly #bounds: Float64Array;
  readonly #les: readonly string[];
  readonly #exemplar: EdgeHistogramOptions['exemplar'];

  constructor(edges: Edges, options: EdgeHistogramOptions) {
    const { buckets, per = 1, exemplar } = options;
    super('histogram', buckets.length + 2, edges, options);
    this.buckets = buckets;
    this.#bounds = Float64Array.from(buckets, (bound) => Math.round(bound * per));
    this.#les = bucketLabels(buckets);
    this.#exemplar = exemplar;
  }

  /** Counts a value into a row, so many times; returns its bucket. */
  observe(row: number, value: number, times = 1): number {
    const { values, width } = this.series;
    const begin = row * width;
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    values[begin + bucket] = (values[begin + bucket] as number) + times;
    values[begin + width - 1] = (values[begin + width - 1] as number) + value * times;
    return bucket;
  }

  protected *lines(row: number, labels: string, format: MetricsFormat): Generator<Sample> {
    const { values, width } = this.series;
    const point = POINTS[pointOf(this.series.cell(row))] as string;
    const exemplar = format === 'openmetrics' ? this.#exemplar : undefined;
    // A copy: other work may go on between two lines.
    yield* histogramLines(values.slice(row * width, (row + 1) * width), labels, this.#les, this.per, (bucket) =>
      exemplar?.(row, bucket, point),
    );
  }
}

/** Values of the label `le`; `+Inf` is the last. */
export function bucketLabels(buckets: readonly number[]): string[] {
  return [...buckets.map(boundText), '+Inf'];
}

/**
 * Lines of one histogram.
 * @param numbers counts of each bucket, not added up, `+Inf` the last of them; then the sum
 */
export function* histogramLines(
  numbers: Float64Array,
  labels: string,
  les: readonly string[],
  per: number,
  exemplar?: (bucket: number) => Exemplar | undefined,
): Generator<Sample> {
  const before = labels === '' ? '' : `${labels},`;
  let count = 0;
  for (const [bucket, le] of les.entries()) {
    count += numbers[bucket] as number;
    yield { suffix: '_bucket', labels: `${before}le="${le}"`, value: count, exemplar: exemplar?.(bucket) };
  }
  yield { suffix: '_sum', labels, value: (numbers[les.length] as number) / per };
  yield { suffix: '_count', labels, value: count };
}
