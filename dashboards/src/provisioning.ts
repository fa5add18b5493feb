/** Grafana's provisioning files: the two data sources, and where the dashboards lie. */
import { stringify } from 'yaml';
import { CLICKHOUSE, PROMETHEUS } from './datasources.ts';
import { traceUrl } from './links.ts';

const HEADER = '# Written by dashboards/src/render.ts; `make check` compares. Do not edit.\n';

/** Where Grafana finds a copy of dashboards/grafana/. */
const DASHBOARDS_FOLDER = '/var/lib/grafana/dashboards/flowspan';

/** Database of the store. */
const DATABASE = 'flowspan';

/**
 * Both data sources as they are on one machine: Flowspan's store after `make run` with its reader, Prometheus at its
 * usual port. Elsewhere host, port and password are the ones to change.
 */
function dataSources(): object {
  return {
    apiVersion: 1,
    prune: true,
    datasources: [
      {
        name: PROMETHEUS.name,
        uid: PROMETHEUS.uid,
        type: PROMETHEUS.type,
        access: 'proxy',
        url: 'http://127.0.0.1:9090',
        editable: false,
        jsonData: {
          httpMethod: 'POST',
          prometheusType: 'Prometheus',
          // the scrape interval: what $__rate_interval is made of
          timeInterval: '15s',
          exemplarTraceIdDestinations: [
            // Grafana asks a data source named here in TraceQL, which only Tempo speaks: the request page is asked
            { name: 'trace_id', url: traceUrl().replaceAll('$', '$$$$'), urlDisplayLabel: 'Open the request' },
          ],
        },
      },
      {
        name: CLICKHOUSE.name,
        uid: CLICKHOUSE.uid,
        type: CLICKHOUSE.type,
        access: 'proxy',
        editable: false,
        jsonData: {
          host: '127.0.0.1',
          port: 8123,
          protocol: 'http',
          secure: false,
          username: 'default',
          defaultDatabase: DATABASE,
          traces: {
            defaultDatabase: DATABASE,
            defaultTable: 'otel_traces',
            otelEnabled: true,
            otelVersion: 'latest',
            durationUnit: 'nanoseconds',
          },
        },
      },
    ],
  };
}

function providers(): object {
  return {
    apiVersion: 1,
    providers: [
      {
        name: 'flowspan',
        orgId: 1,
        folder: 'Flowspan',
        type: 'file',
        disableDeletion: true,
        allowUiUpdates: false,
        updateIntervalSeconds: 30,
        options: { path: DASHBOARDS_FOLDER },
      },
    ],
  };
}

/** Text of each file by its path below dashboards/provisioning/. */
export function provisioningFiles(): ReadonlyMap<string, string> {
  const text = (content: object) => HEADER + stringify(content, { lineWidth: 120 });
  return new Map([
    ['datasources/flowspan.yml', text(dataSources())],
    ['dashboards/flowspan.yml', text(providers())],
  ]);
}
