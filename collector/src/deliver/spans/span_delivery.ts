/** Requests as OpenTelemetry spans: decided on with their row, made and sent beside the data path. */
import type { Logger } from 'pino';
import { REQUESTS, SPAN_DECISIONS, type Table, TCP_EVENTS } from '../../../../store/tables.ts';
import type { Arena } from '../../batch/arena.ts';
import type { Endpoints } from '../../correlate/endpoints.ts';
import type { RowSink } from '../../pipeline.ts';
import type { SpanDecision } from '../../rows.ts';
import type { SpanCounts } from './counts.ts';
import { type OtlpConfig, openOtlp, type SpanExporter } from './otlp.ts';
import { connectionHash, RecentEvents } from './recent_events.ts';
import { SpanMaker } from './request_span.ts';
import { Sampler, type SamplerConfig, type WrittenRequest } from './sampler.ts';
import { SpanQueue } from './span_queue.ts';
import { MOST_EXPORTS, SpanSender } from './span_sender.ts';

export interface SpanDeliveryOptions {
  readonly arena: Arena;
  readonly endpoints: Endpoints;
  /** Holds the request that is written. */
  readonly request: WrittenRequest;
  readonly counts: SpanCounts;
  /** Holds how many the row that is written stands for. */
  readonly shedding: { readonly weight: number };
  readonly scope: { readonly cluster: string; readonly node: string };
  /** Flowspan's version. */
  readonly version: string;
  readonly otlp: OtlpConfig & { readonly service_labels: boolean };
  readonly spans: SamplerConfig & { readonly queue_spans: number };
  readonly log: Logger;
}

/** Decides which requests become spans, and sends them. */
export class SpanDelivery implements RowSink, SpanDecision {
  readonly #arena: Arena;
  readonly #sampler: Sampler;
  readonly #events: RecentEvents;
  readonly #queue: SpanQueue;
  readonly #sender: SpanSender;
  #connection = 0;

  /** @throws FlowspanError FLOW_SPANS_EXPORTER if the exporter cannot be loaded */
  static async open(options: SpanDeliveryOptions): Promise<SpanDelivery> {
    return new SpanDelivery(options, await openOtlp(options.otlp, MOST_EXPORTS));
  }

  constructor(options: SpanDeliveryOptions, exporter: SpanExporter) {
    const { arena, counts, endpoints, log, otlp, request, scope, shedding, spans, version } = options;
    this.#arena = arena;
    const queue = new SpanQueue(spans.queue_spans);
    const events = new RecentEvents(arena);
    this.#queue = queue;
    this.#events = events;
    this.#sampler = new Sampler(
      { arena, request, counts, hasRoom: () => queue.hasRoom, rowWeight: () => shedding.weight },
      spans,
    );
    const maker = new SpanMaker({
      ...scope,
      version,
      serviceLabels: otlp.service_labels,
      identityOf: (id) => endpoints.identityOf(id),
      eventsOf: (connection) => events.of(connection),
    });
    this.#sender = new SpanSender({ queue, maker, exporter, counts, log, endpoint: otlp.endpoint });
  }

  start(): void {
    this.#sender.start();
  }

  /** From now on decides by this. */
  configure(spans: SamplerConfig): void {
    this.#sampler.configure(spans);
  }

  of(record: number): number {
    return this.#sampler.of(record);
  }

  wants(table: Table, record: number): boolean {
    if (table === TCP_EVENTS) return this.#events.wants(record);
    if (table !== REQUESTS || this.#sampler.decision === SPAN_DECISIONS.not_sent) return false;
    this.#connection = connectionHash(this.#arena, record);
    return true;
  }

  row(table: Table, bytes: Uint8Array): void {
    if (table === TCP_EVENTS) {
      this.#events.keep(bytes);
      return;
    }
    const request = {
      row: new Uint8Array(bytes),
      connection: this.#connection,
      threshold: this.#sampler.threshold,
    };
    this.#queue.push(request, performance.now());
  }

  /** @param timeoutMs time for what still waits */
  close(timeoutMs: number): Promise<void> {
    return this.#sender.close(timeoutMs);
  }
}
