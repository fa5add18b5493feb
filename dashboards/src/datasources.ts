/**
 * The two data sources of the dashboards, and how a query to each is written into a panel. Dashboards name them by
 * variable, so that they can be imported into a Grafana whose data sources have other uids.
 */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';

/** A data source: the plugin's type, the uid it is provisioned with, the dashboards' variable for it. */
export interface DataSource {
  readonly name: string;
  readonly type: string;
  readonly uid: string;
  readonly variable: string;
}

export const PROMETHEUS: DataSource = {
  name: 'Flowspan metrics',
  type: 'prometheus',
  uid: 'flowspan-prometheus',
  variable: 'prometheus_datasource',
};

export const CLICKHOUSE: DataSource = {
  name: 'Flowspan store',
  type: 'grafana-clickhouse-datasource',
  uid: 'flowspan-clickhouse',
  variable: 'clickhouse_datasource',
};

/** How a panel names the data source. */
export function referenceTo(source: DataSource): DataSourceRef {
  return { type: source.type, uid: `\${${source.variable}}` };
}

/** What the ClickHouse plugin makes of a result: the number it stands for in `format`, and its `queryType`. */
const FORMATS = { timeseries: 0, table: 1, traces: 3 } as const;

/** Version of the plugin whose query model this is. */
const PLUGIN_VERSION = '4.20.0';

/** A query as the ClickHouse plugin (4.x) keeps it in a panel. The SDK has no type for it. */
export interface ClickHouseQuery extends Dataquery {
  readonly refId: string;
  readonly datasource: DataSourceRef;
  readonly editorType: 'sql';
  readonly queryType: keyof typeof FORMATS;
  readonly format: number;
  readonly rawSql: string;
  readonly pluginVersion: string;
}

/** A query to the store. `sql` may hold the plugin's macros and Grafana's variables. */
export function sqlQuery(refId: string, sql: string, kind: keyof typeof FORMATS = 'table'): Builder<ClickHouseQuery> {
  const query = {
    refId,
    datasource: referenceTo(CLICKHOUSE),
    editorType: 'sql' as const,
    queryType: kind,
    format: FORMATS[kind],
    rawSql: sql,
    pluginVersion: PLUGIN_VERSION,
  };
  // the SDK marks its query types by a method that its serialiser never sees
  return { build: () => query as unknown as ClickHouseQuery };
}

/** How an expression is asked. */
export interface PrometheusOptions {
  /** Name of each series, such as `{{outcome}}`. */
  readonly legend?: string;
  /** One value at the end of the time range, as a table. Default: a line over the range. */
  readonly instant?: boolean;
  /** Marks of single requests beside the lines, with links to their traces. Default: none. */
  readonly exemplars?: boolean;
  /** Buckets of a histogram for a heatmap. */
  readonly heatmap?: boolean;
}

/** A query to Prometheus. */
export function promQuery(refId: string, expression: string, options: PrometheusOptions = {}): Builder<Dataquery> {
  const query = new DataqueryBuilder().refId(refId).datasource(referenceTo(PROMETHEUS)).expr(expression);
  if (options.legend !== undefined) query.legendFormat(options.legend);
  if (options.instant) query.instant().format(PromQueryFormat.Table);
  else query.range();
  if (options.exemplars) query.exemplar(true);
  if (options.heatmap) query.format(PromQueryFormat.Heatmap);
  return query;
}
