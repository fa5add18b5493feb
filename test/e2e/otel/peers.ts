/** The real OpenTelemetry Collector and the real Jaeger as processes of a test. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { freePorts, temporaryFolder } from '../../support/flowspan.ts';
import { type FileSpan, spansOf } from './file_spans.ts';

const FIXTURES = process.env.FLOWSPAN_FIXTURES ?? join(import.meta.dirname, '../../../fixtures');
const program = (name: string): string => join(FIXTURES, 'bin', name);

/** Why these peers cannot be met; undefined if they can. */
export function missingPeers(...names: readonly string[]): string | undefined {
  const missing = names.find((name) => !existsSync(program(name)));
  return missing === undefined ? undefined : `fixtures/bin/${missing} is missing: make fixtures`;
}

/** An OpenTelemetry Collector that writes spans to a file and counts a service graph of them. */
export interface OtelCollector {
  /** For otlp.endpoint. */
  readonly endpoint: string;
  /** All spans it has written so far. */
  spans(): FileSpan[];
  /** Requests by `client -> server`, as its service graph connector has counted them until now. */
  serviceGraph(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** @param forwardTo OTLP endpoint that gets every span as well */
export async function startOtelCollector(forwardTo?: string): Promise<OtelCollector> {
  const [port, metricsPort] = await freePorts(2);
  const folder = temporaryFolder();
  const file = join(folder, 'spans.jsonl');
  const forward = forwardTo === undefined ? '' : `\n  otlphttp: {endpoint: '${forwardTo}', compression: none}`;
  const exporters = ['file', 'servicegraph', ...(forwardTo === undefined ? [] : ['otlphttp'])];
  const config = join(folder, 'otelcol.yaml');
  writeFileSync(
    config,
    `receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:${port}'}}}
exporters:
  file: {path: '${file}', flush_interval: 100ms}
  prometheus: {endpoint: '127.0.0.1:${metricsPort}'}${forward}
connectors:
  servicegraph: {store: {ttl: 5s, max_items: 100000}, metrics_flush_interval: 200ms}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], exporters: [${exporters.join(', ')}]}
    metrics: {receivers: [servicegraph], exporters: [prometheus]}
`,
  );
  const collector = start({}, [program('otelcol'), '--config', config]);
  const endpoint = `http://127.0.0.1:${port}`;
  await answering(collector, `${endpoint}/v1/traces`);
  return {
    endpoint,
    spans: () => (existsSync(file) ? spansOf(readFileSync(file, 'utf8')) : []),
    serviceGraph: async () => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { signal: AbortSignal.timeout(5000) });
      return requestTotals(await response.text());
    },
    stop: () => collector.stop(),
  };
}

function requestTotals(text: string): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const [, labels = '', value] of text.matchAll(/^traces_service_graph_request_total\{(.*)\} (\S+)$/gm)) {
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1];
    const edge = `${label('client')} -> ${label('server')}`;
    totals[edge] = (totals[edge] ?? 0) + Number(value);
  }
  return totals;
}

/** A Jaeger with its storage in memory. */
export interface Jaeger {
  readonly otlpEndpoint: string;
  /** Calls by `parent -> child` over the last hour. */
  dependencies(): Promise<Record<string, number>>;
  /** Spans of one trace: operation and service. */
  trace(traceId: string): Promise<{ readonly service: string; readonly operation: string }[]>;
  stop(): Promise<void>;
}

export async function startJaeger(): Promise<Jaeger> {
  const [otlp, query, ...others] = await freePorts(7);
  const flags = [
    'admin.http',
    'collector.grpc-server',
    'collector.http-server',
    'collector.otlp.grpc',
    'query.grpc-server',
  ];
  const jaeger = start({}, [
    program('jaeger'),
    '--log-level=warn',
    `--collector.otlp.http.host-port=127.0.0.1:${otlp}`,
    `--query.http-server.host-port=127.0.0.1:${query}`,
    ...flags.map((flag, index) => `--${flag}.host-port=127.0.0.1:${others[index]}`),
  ]);
  const api = async <Data>(path: string): Promise<Data> => {
    const response = await fetch(`http://127.0.0.1:${query}/api/${path}`, { signal: AbortSignal.timeout(10_000) });
    return ((await response.json()) as { data: Data }).data;
  };
  await answering(jaeger, `http://127.0.0.1:${query}/api/services`);
  await answering(jaeger, `http://127.0.0.1:${otlp}/v1/traces`);
  return {
    otlpEndpoint: `http://127.0.0.1:${otlp}`,
    dependencies: async () => {
      const path = `dependencies?endTs=${Date.now() + 60_000}&lookback=3600000`;
      const found = await api<{ parent: string; child: string; callCount: number }[] | null>(path);
      return Object.fromEntries(
        (found ?? []).map(({ parent, child, callCount }) => [`${parent} -> ${child}`, callCount]),
      );
    },
    trace: async (traceId) => {
      type Trace = {
        spans: { operationName: string; processID: string }[];
        processes: Record<string, { serviceName: string }>;
      };
      const [trace] = await api<Trace[]>(`traces/${traceId}`);
      return (trace?.spans ?? []).map((span) => ({
        service: trace?.processes[span.processID]?.serviceName ?? '',
        operation: span.operationName,
      }));
    },
    stop: () => jaeger.stop(),
  };
}

/** Resolves when the address answers, with whatever status. */
async function answering(peer: Program, url: string): Promise<void> {
  await eventually(
    url,
    async () => {
      if (peer.process.exitCode !== null) throw new Error(`it ended early\n${peer.output()}`);
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
      await response?.arrayBuffer();
      return response !== undefined;
    },
    20_000,
  );
}
