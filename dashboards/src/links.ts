/** Where the dashboards are and how one leads to the next: uids, variables, URLs. */
import { DashboardLinkBuilder, DashboardLinkType } from '@grafana/grafana-foundation-sdk/dashboard';
import { EDGE_LABELS } from './queries/promql.ts';

/** Uids of the dashboards. Alerts, links and bookmarks name them: they stay. */
export const UIDS = {
  overview: 'flowspan-overview',
  edge: 'flowspan-edge',
  request: 'flowspan-request',
  serviceMap: 'flowspan-service-map',
  health: 'flowspan-health',
} as const;

/** Variable of the request page: an id as the query API and `flowspan observe -o json` print it. */
export const REQUEST_ID = 'request_id';

/** Variable of the request page: a trace id, which stands for its longest request when no request id is given. */
export const TRACE_ID = 'trace_id';

/** Tag by which the dashboards find each other. */
export const TAG = 'flowspan';

/** The time that the dashboard shows, for a URL. */
const TIME = `\${__url_time_range}`;

const DATA_SOURCES = `\${prometheus_datasource:queryparam}&\${clickhouse_datasource:queryparam}`;

/** A field of the row that was clicked, for a URL: names may hold what a query string does not. */
const fieldValue = (name: string) => `\${__data.fields["${name}"]:percentencode}`;

/**
 * URL of the edge page for the row that was clicked.
 * @param fieldOf name of the field that holds each of the edge's labels. Default: the label itself
 */
export function edgeUrl(fieldOf: (label: string) => string = (label) => label): string {
  const edge = EDGE_LABELS.map((label) => `var-${label}=${fieldValue(fieldOf(label))}`);
  return `/d/${UIDS.edge}?${[...edge, DATA_SOURCES, TIME].join('&')}`;
}

/** URL of the edge page for the series that was clicked; its labels name the edge. */
export function edgeOfSeriesUrl(): string {
  const edge = EDGE_LABELS.map((label) => `var-${label}=\${__field.labels.${label}:percentencode}`);
  return `/d/${UIDS.edge}?${[...edge, DATA_SOURCES, TIME].join('&')}`;
}

/** URL of the request page for the row that was clicked. */
export function requestUrl(): string {
  return `/d/${UIDS.request}?var-${REQUEST_ID}=${fieldValue(REQUEST_ID)}&${DATA_SOURCES}&${TIME}`;
}

/**
 * URL of the overview of one server, for the row that was clicked.
 * @param fields name of the field that holds each of the server's labels
 */
export function serverUrl(
  fields: Readonly<Record<'cluster' | 'destination_namespace' | 'destination_workload', string>>,
): string {
  const server = Object.entries(fields).map(([label, field]) => `var-${label}=${fieldValue(field)}`);
  return `/d/${UIDS.overview}?${[...server, DATA_SOURCES, TIME].join('&')}`;
}

/**
 * URL of the request page for the trace whose id was clicked, for the same time. A data source's links know no variables
 * of a dashboard: the page asks the data sources it knows.
 */
export function traceUrl(): string {
  return `/d/${UIDS.request}?var-${TRACE_ID}=\${__value.raw}&${TIME}`;
}

/** URL of a dashboard for the same time. */
export function dashboardUrl(uid: string): string {
  return `/d/${uid}?${DATA_SOURCES}&${TIME}`;
}

/** A link of a panel or of a field. */
export function link(title: string, url: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url);
}

/** The list of all dashboards of Flowspan, in the head of each. */
export function siblings(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Flowspan')
    .type(DashboardLinkType.Dashboards)
    .tags([TAG])
    .asDropdown(true)
    .keepTime(true)
    .includeVars(false);
}
