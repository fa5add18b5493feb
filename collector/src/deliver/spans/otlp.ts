/** OTLP over HTTP in protobuf, by OpenTelemetry's own exporter, loaded only where spans are sent. */
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { FlowspanError } from '../../../../store/errors.ts';
import { exportTraceparent } from '../../telemetry/own_exports.ts';

/** A span as the exporter takes it. */
export type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number];

type Options = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>;
type Compression = NonNullable<Options['compression']>;

/** `otlp` */
export interface OtlpConfig {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout_ms: number;
  readonly compression: string;
}

/** Sends batches of spans. */
export interface SpanExporter {
  /** @returns undefined when all were taken, else why not; never rejects */
  export(spans: readonly ReadableSpan[]): Promise<Error | undefined>;
}

/**
 * Loads the exporter. It tries again on its own where that may help, until the timeout; what it says on the way is not
 * printed, and OTEL_EXPORTER_OTLP_* variables do no more than add headers.
 * @param concurrency exports in flight at most
 * @throws FlowspanError FLOW_SPANS_EXPORTER if the exporter cannot be loaded
 */
export async function openOtlp(config: OtlpConfig, concurrency: number): Promise<SpanExporter> {
  const { OTLPTraceExporter: Exporter } = await import('@opentelemetry/exporter-trace-otlp-proto').catch(
    (cause: unknown) => {
      throw new FlowspanError(
        'FLOW_SPANS_EXPORTER',
        'the OpenTelemetry exporter cannot be loaded: run `make setup`, or leave otlp.endpoint empty',
        { cause },
      );
    },
  );
  const exporter = new Exporter({
    url: `${config.endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: async () => ({ ...config.headers, traceparent: exportTraceparent() }),
    timeoutMillis: config.timeout_ms,
    concurrencyLimit: concurrency,
    // The words of the configuration are the values of the SDK's enum.
    compression: config.compression as Compression,
  });
  return {
    export: (spans) =>
      new Promise((resolve) => {
        try {
          exporter.export([...spans], ({ code, error }) => {
            resolve(code === 0 ? undefined : (error ?? new Error('the export failed')));
          });
        } catch (error) {
          resolve(error instanceof Error ? error : new Error(String(error)));
        }
      }),
  };
}
