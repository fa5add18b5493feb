/** Panels as Flowspan's dashboards have them: each with a description, and each number with a unit. */
import { PanelBuilder as BarChart } from '@grafana/grafana-foundation-sdk/barchart';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  PanelBuilder as AnyPanel,
  type DashboardLinkBuilder,
  type DataTransformerConfig,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as Heatmap } from '@grafana/grafana-foundation-sdk/heatmap';
import {
  EdgeOptionsBuilder,
  PanelBuilder as NodeGraph,
  NodeOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/nodegraph';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';
import { CLICKHOUSE, PROMETHEUS, type PrometheusOptions, promQuery, referenceTo, sqlQuery } from './datasources.ts';

/** What every panel says of itself. */
export interface About {
  readonly title: string;
  /** What is shown and how to read it. A panel that may be rightly empty says so by `emptyWhen`. */
  readonly description: string;
  /**
   * When the panel is rightly empty, as `nothing was lost`. The description then ends "Empty when nothing was lost.";
   * panels without it have to show something wherever there is traffic.
   */
  readonly emptyWhen?: string;
  readonly links?: readonly DashboardLinkBuilder[];
}

/** An expression and how its series are called. */
export interface Line extends PrometheusOptions {
  readonly expr: string;
}

/** What a column of a table is: hidden, with a unit, a link, a width. */
export interface Column {
  readonly unit?: string;
  readonly hidden?: boolean;
  readonly link?: { readonly title: string; readonly url: string };
  /** Pixels. */
  readonly width?: number;
  /** From these values on the cell is yellow and red. */
  readonly warnAt?: readonly [number, number];
  /** Name shown in the head. Default: the column's own with spaces. */
  readonly shown?: string;
  readonly fixedColor?: string;
}

/** What Grafana calls a unit of store/tables.ts. */
export const UNITS = { ns: 'ns', us: 'µs', bytes: 'bytes', segments: 'short', count: 'short' } as const;

/** What a panel without data says. */
const NO_DATA = 'nothing in this time';
const REF_IDS = 'ABCDEFGHIJ';

interface CommonBuilder {
  title(title: string): this;
  description(text: string): this;
  links(links: Builder<unknown>[]): this;
}

function describe<P extends CommonBuilder>(panel: P, { title, description, emptyWhen, links = [] }: About): P {
  panel.title(title).description(emptyWhen === undefined ? description : `${description} Empty when ${emptyWhen}.`);
  return links.length === 0 ? panel : panel.links([...links]);
}

function promTargets(lines: readonly Line[]): Builder<Dataquery>[] {
  return lines.map(({ expr, ...options }, index) => promQuery(REF_IDS[index]!, expr, options));
}

function legend(): VizLegendOptionsBuilder {
  return new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true);
}

const tooltip = () => new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending);

function lines(about: About, unit: string, options: { stacked?: boolean; min?: number; seriesLink?: Column['link'] }) {
  const panel = describe(new TimeSeries(), about)
    .unit(unit)
    .min(options.min ?? 0)
    .noValue(NO_DATA)
    .legend(legend())
    .tooltip(tooltip())
    .lineWidth(1)
    .fillOpacity(options.stacked ? 40 : 8)
    .showPoints(VisibilityMode.Auto);
  if (options.stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (options.seriesLink !== undefined) {
    panel.withOverride({
      matcher: { id: 'byType', options: 'number' },
      properties: [{ id: 'links', value: [options.seriesLink] }],
    });
  }
  return panel;
}

/** How a graph is drawn. */
export interface GraphOptions {
  readonly stacked?: boolean;
  /** Where a click on a line leads to. */
  readonly seriesLink?: Column['link'];
}

/** Lines over time from Prometheus. */
export function graph(about: About, unit: string, series: readonly Line[], options: GraphOptions = {}) {
  return lines(about, unit, options).datasource(referenceTo(PROMETHEUS)).targets(promTargets(series));
}

/** Lines over time from the store; the query has a time, a text that names the line, and a number. */
export function sqlGraph(about: About, unit: string, sql: string, options: GraphOptions = {}) {
  return lines(about, unit, options)
    .datasource(referenceTo(CLICKHOUSE))
    .withTarget(sqlQuery('A', sql, 'timeseries'));
}

/** One number, with its course in the background. */
export function stat(about: About, unit: string, line: Line, link?: Column['link']) {
  const panel = describe(new Stat(), about)
    .datasource(referenceTo(PROMETHEUS))
    .unit(unit)
    .noValue(NO_DATA)
    .colorMode(BigValueColorMode.None)
    .graphMode(BigValueGraphMode.Area)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .targets(promTargets([line]));
  return link === undefined
    ? panel
    : panel.withOverride({
        matcher: { id: 'byType', options: 'number' },
        properties: [{ id: 'links', value: [link] }],
      });
}

/** Counts by size over time, from the buckets of a histogram. */
export function heatmap(about: About, unit: string, line: Line) {
  return describe(new Heatmap(), about)
    .datasource(referenceTo(PROMETHEUS))
    .unit(unit)
    .calculate(false)
    .targets(promTargets([{ legend: '{{le}}', ...line, heatmap: true }]));
}

function columnProperties(column: Column): { id: string; value: unknown }[] {
  const { unit, hidden, link, width, warnAt, shown, fixedColor } = column;
  return [
    ...(shown === undefined ? [] : [{ id: 'displayName', value: shown }]),
    ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
    ...(hidden ? [{ id: 'custom.hidden', value: true }] : []),
    ...(link === undefined ? [] : [{ id: 'links', value: [link] }]),
    ...(width === undefined ? [] : [{ id: 'custom.width', value: width }]),
    ...(fixedColor === undefined ? [] : [{ id: 'color', value: { mode: 'fixed', fixedColor } }]),
    ...(warnAt === undefined
      ? []
      : [
          { id: 'custom.cellOptions', value: { type: 'color-text' } },
          {
            id: 'thresholds',
            value: {
              mode: 'absolute',
              steps: [
                { color: 'text', value: null },
                { color: 'orange', value: warnAt[0] },
                { color: 'red', value: warnAt[1] },
              ],
            },
          },
        ]),
  ];
}

/** Overrides for columns by name. */
function overrides(columns: Readonly<Record<string, Column>>) {
  return Object.entries(columns).map(([name, column]) => ({
    matcher: { id: 'byName', options: name },
    properties: columnProperties(column),
  }));
}

function plainTable(about: About, columns: Readonly<Record<string, Column>>) {
  return describe(new Table(), about).unit('short').noValue(NO_DATA).overrides(overrides(columns));
}

/** A table from the store. */
export function sqlTable(about: About, sql: string, columns: Readonly<Record<string, Column>> = {}) {
  return plainTable(about, columns).datasource(referenceTo(CLICKHOUSE)).withTarget(sqlQuery('A', sql));
}

/** A table of the latest values from Prometheus, one row for each set of labels, one column for each expression. */
export function promTable(
  about: About,
  expressions: readonly { readonly expr: string; readonly name: string }[],
  columns: Readonly<Record<string, Column>> = {},
) {
  const organize: DataTransformerConfig = {
    id: 'organize',
    options: {
      excludeByName: { Time: true },
      renameByName: Object.fromEntries(
        expressions.map(({ name }, index) => [expressions.length === 1 ? 'Value' : `Value #${REF_IDS[index]}`, name]),
      ),
    },
  };
  return plainTable(about, columns)
    .datasource(referenceTo(PROMETHEUS))
    .targets(promTargets(expressions.map(({ expr }) => ({ expr, instant: true }))))
    .transformations([{ id: 'merge', options: {} }, organize]);
}

/** Bars that are put together from the number columns of each row; the first column names the row. */
export function sqlBars(about: About, unit: string, sql: string, columns: Readonly<Record<string, Column>>) {
  return describe(new BarChart(), about)
    .datasource(referenceTo(CLICKHOUSE))
    .unit(unit)
    .min(0)
    .noValue(NO_DATA)
    .orientation(VizOrientation.Horizontal)
    .stacking(StackingMode.Normal)
    .showValue(VisibilityMode.Auto)
    .legend(legend())
    .tooltip(tooltip())
    .overrides(overrides(columns))
    .withTarget(sqlQuery('A', sql));
}

/** Nodes and edges between them. */
export function nodeGraph(
  about: About,
  queries: { readonly nodes: string; readonly edges: string },
  units: { readonly node: readonly [string, string]; readonly edge: readonly [string, string] },
  arcs: readonly { readonly field: string; readonly color: string }[],
  columns: Readonly<Record<string, Column>>,
) {
  return describe(new NodeGraph(), about)
    .datasource(referenceTo(CLICKHOUSE))
    .nodes(
      new NodeOptionsBuilder()
        .mainStatUnit(units.node[0])
        .secondaryStatUnit(units.node[1])
        .arcs(arcs.map((arc) => ({ build: () => arc }))),
    )
    .edges(new EdgeOptionsBuilder().mainStatUnit(units.edge[0]).secondaryStatUnit(units.edge[1]))
    .overrides(overrides(columns))
    .withTarget(sqlQuery('nodes', queries.nodes))
    .withTarget(sqlQuery('edges', queries.edges));
}

/** The spans of one trace. */
export function traceView(about: About, sql: string) {
  return describe(new AnyPanel().type('traces'), about)
    .datasource(referenceTo(CLICKHOUSE))
    .withTarget(sqlQuery('A', sql, 'traces'));
}
