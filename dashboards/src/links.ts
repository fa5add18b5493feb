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

/**
 * URL of the edge page for the row that was clicked.
 * @param fieldOf name of the field that holds each of the edge's labels. Default: the label itself
 */
export function edgeUrl(fieldOf: (label: string) => string = (label) => label): string {
  const edge = EDGE_LABELS.map((label) => `var-${label}=\${__data.fields["${fieldOf(label)}"]}`);
  return `/d/${UIDS.edge}?${[...edge, DATA_SOURCES, TIME].join('&')}`;
}

/** URL of the edge page for the series that was clicked; its labels name the edge. */
export function edgeOfSeriesUrl(): string {
  const edge = EDGE_LABELS.map((label) => `var-${label}=\${__field.labels.${label}}`);
  return `/d/${UIDS.edge}?${[...edge, DATA_SOURCES, TIME].join('&')}`;
}

/** URL of the request page for the row that was clicked. */
export function requestUrl(): string {
  return `/d/${UIDS.request}?var-${REQUEST_ID}=\${__data.fields["${REQUEST_ID}"]}&${DATA_SOURCES}&${TIME}`;
}

/**
 * URL of the overview of one server, for the row that was clicked.
 * @param field name of the field that holds its workload
 */
export function serverUrl(field: string): string {
  return `/d/${UIDS.overview}?var-destination_workload=\${__data.fields["${field}"]}&${DATA_SOURCES}&${TIME}`;
}

/** URL of the request page for the trace whose id was clicked. */
export function traceUrl(): string {
  return `/d/${UIDS.request}?var-${TRACE_ID}=\${__value.raw}`;
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
