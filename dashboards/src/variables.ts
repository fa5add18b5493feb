/** Variables of the dashboards, and the matchers by which queries take them. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableHide,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { CLICKHOUSE, type DataSource, PROMETHEUS, referenceTo } from './datasources.ts';
import { REQUEST_ID, TRACE_ID } from './links.ts';
import { EDGE_LABELS } from './queries/promql.ts';

/** Window of rates in panels: Grafana's own, at least four scrapes long. */
export const NOW = '$__rate_interval';

/** Words that a person sees for a label. */
const SHOWN: Readonly<Record<string, string>> = {
  cluster: 'Cluster',
  source_namespace: 'Client namespace',
  source_workload: 'Client',
  destination_namespace: 'Server namespace',
  destination_workload: 'Server',
};

const ALL = { selected: true, text: 'All', value: '$__all' };
/** Matches every value of the label, and also series without it: outside of Kubernetes there is no namespace. */
const ANY = '.*';

/**
 * PromQL matchers for the five variables of an edge. `All`, lists and single values alike; an empty value stands for
 * the empty label.
 */
export const CHOSEN_EDGES = EDGE_LABELS.map((label) => `${label}=~"$${label}"`).join(',');

/** The same for pages about one edge, whose workloads are single values. */
export const CHOSEN_EDGE = EDGE_LABELS.map((label) =>
  label.endsWith('_workload') ? `${label}="$${label}"` : `${label}=~"$${label}"`,
).join(',');

/**
 * The same as SQL, over columns that are named like the labels, empty workloads already called `unknown`. The patterns
 * stand between `$re$`, where ClickHouse takes quotes and backslashes as they are: the format `regex` escapes dollar
 * signs, so that no value ends its own pattern.
 */
export const CHOSEN_EDGES_SQL = EDGE_LABELS.map((label) => `match(${label}, $re$^(?:\${${label}:regex})\\z$re$)`).join(
  ' AND ',
);

/** Families that together know every edge: what carried payload, what ended or never began, what is UDP. */
const EVERY_EDGE = [
  'flowspan_tcp_connection_intervals_total',
  'flowspan_tcp_connections_closed_total',
  'flowspan_udp_datagrams_total',
];

/** A choice between data sources of one type; the provisioned one is chosen at first. */
function dataSourceVariable(source: DataSource, label: string): Builder<VariableModel> {
  return new DatasourceVariableBuilder(source.variable)
    .label(label)
    .description(`Where the dashboard asks; provisioned as ${source.uid}.`)
    .type(source.type)
    .current({ selected: true, text: source.name, value: source.uid });
}

/** Both data sources. */
export function dataSources(): Builder<VariableModel>[] {
  return [
    dataSourceVariable(PROMETHEUS, 'Prometheus data source'),
    dataSourceVariable(CLICKHOUSE, 'ClickHouse data source'),
  ];
}

/**
 * The five labels of an edge, each narrowed by those before it.
 * @param workloads `several` lets any number of clients and servers be chosen, all at first; `one` exactly one each
 * @param place `hidden` for pages whose tables know edges without asking for one
 */
export function edgeVariables(
  workloads: 'several' | 'one',
  place: 'shown' | 'hidden' = 'shown',
): Builder<VariableModel>[] {
  return EDGE_LABELS.map((label, index) => {
    const before = CHOSEN_EDGES.split(',').slice(0, index);
    const series = `{${[`__name__=~"${EVERY_EDGE.join('|')}"`, ...before].join(',')}}`;
    const variable = new QueryVariableBuilder(label)
      .label(SHOWN[label] ?? label)
      .description(`Value of the label ${label}; the client is who opened the connection.`)
      .datasource(referenceTo(PROMETHEUS))
      .query({ qryType: 1, query: `label_values(${series}, ${label})`, refId: `Variable-${label}` })
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .sort(VariableSort.AlphabeticalAsc)
      .hide(place === 'shown' ? VariableHide.DontHide : VariableHide.HideVariable);
    if (workloads === 'one' && label.endsWith('_workload')) return variable;
    return variable.includeAll(true).multi(true).allValue(ANY).current(ALL);
  });
}

/** The request whose page is shown, by its own id or by that of its trace. */
export function requestVariables(): Builder<VariableModel>[] {
  return [
    new TextBoxVariableBuilder(REQUEST_ID)
      .label('Request id')
      .description('Id of a request: 64 hex digits, as /v1/requests and `flowspan observe -o json` print them.')
      .defaultValue(''),
    new TextBoxVariableBuilder(TRACE_ID)
      .label('or trace id')
      .description('Id of a trace: 32 hex digits. Without a request id its longest request is shown.')
      .defaultValue(''),
  ];
}
