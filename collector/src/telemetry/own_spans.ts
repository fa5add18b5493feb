/**
 * Spans of Flowspan's own work, each process under a service name of its own. The SDK is loaded only where such spans are
 * wanted; without it the API's tracer does nothing, at next to no cost.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { context, propagation, type Tracer, trace } from '@opentelemetry/api';
import { FlowspanError } from '../../../store/errors.ts';
import type { Config } from '../config.ts';
import { VERSION } from '../version.ts';
import type { Family } from './metrics_text.ts';
import { exportTraceparent } from './own_exports.ts';
import { type OwnSpanCounts, OwnSpanQueue } from './own_span_queue.ts';

/** Processes that do work of their own. */
export type Component = 'collector' | 'store' | 'query-api';

/** A tracer, and what is to be known of it. */
export interface OwnSpans {
  /** Does nothing where own spans are not wanted: ask `wanted` before anything that costs. */
  readonly tracer: Tracer;
  readonly wanted: boolean;
  /** Families for GET /metrics; there also where own spans are not wanted, as zeros. */
  families(): Family[];
  /** Sends what waits, for LAST_EXPORT_MS at most: what is not sent by then is lost. */
  close(): Promise<void>;
}

/** Longest that the last export may keep a process from ending. */
const LAST_EXPORT_MS = 300;

/**
 * Begins to trace, if otlp.endpoint is set and otlp.own_spans is true. One per process.
 * @returns resolved when spans can be made; loading the SDK takes 0.3 s of CPU, so do it before anything urgent
 * @throws FlowspanError FLOW_SPANS_SDK if it cannot be loaded
 */
export async function startOwnSpans(component: Component, config: Config): Promise<OwnSpans> {
  const counts: OwnSpanCounts = { exported: 0, lostQueueFull: 0, lostExport: 0 };
  const wanted = config.otlp.endpoint !== '' && config.otlp.own_spans;
  const stop = wanted ? await startSdk(component, config, counts) : async () => {};
  return {
    tracer: trace.getTracer('flowspan', VERSION),
    wanted,
    families: () => familiesOf(counts),
    async close() {
      await Promise.race([stop(), wait(LAST_EXPORT_MS, undefined, { ref: false })]).catch(() => undefined);
      for (const api of [trace, context, propagation]) api.disable();
    },
  };
}

/** What spans say of the ClickHouse they speak of. */
export function clickhouseAttributes({ url, database }: Pick<Config['clickhouse'], 'url' | 'database'>) {
  const { hostname, port, protocol } = new URL(url);
  return {
    'db.system.name': 'clickhouse',
    'db.namespace': database,
    'server.address': hostname.replace(/^\[|\]$/g, ''),
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
  };
}

/** @returns exports what waits and stops */
async function startSdk(component: Component, { node, otlp }: Config, counts: OwnSpanCounts) {
  const [{ NodeSDK }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ]).catch((cause: unknown) => {
    const message = 'the OpenTelemetry SDK cannot be loaded: run `make setup`, or set otlp.own_spans to false';
    throw new FlowspanError('FLOW_SPANS_SDK', message, { cause });
  });
  const options = {
    url: `${otlp.endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: async () => ({ ...otlp.headers, traceparent: exportTraceparent() }),
    timeoutMillis: otlp.timeout_ms,
    compression: otlp.compression,
  };
  const exporter = new OTLPTraceExporter(options as ConstructorParameters<typeof OTLPTraceExporter>[0]);
  const attributes = {
    'service.name': `flowspan-${component}`,
    'service.namespace': 'flowspan',
    'service.version': VERSION,
    'service.instance.id': randomUUID(),
    'host.name': node,
    'process.pid': process.pid,
  };
  const sdk = new NodeSDK({
    resourceDetectors: [{ detect: () => ({ attributes }) }],
    spanProcessors: [new OwnSpanQueue(exporter, counts)],
    // spans only, and only those that are made by hand
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return () => sdk.shutdown();
}

function familiesOf({ exported, lostQueueFull, lostExport }: OwnSpanCounts): Family[] {
  return [
    {
      name: 'flowspan_own_spans_exported_total',
      help: "Spans of this process's own work that the OpenTelemetry collector took. Unit: spans.",
      type: 'counter',
      samples: [{ suffix: '', labels: '', value: exported }],
    },
    {
      name: 'flowspan_own_spans_lost_total',
      help: "Spans of this process's own work that were not sent. Unit: spans.",
      type: 'counter',
      samples: [
        { suffix: '', labels: 'reason="queue_full"', value: lostQueueFull },
        { suffix: '', labels: 'reason="export_failed"', value: lostExport },
      ],
    },
  ];
}
