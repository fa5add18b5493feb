/** Flowspan's own spans on their way out: a bounded queue, one export at a time, and a count of what became of each. */
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';

type SpanProcessor = NonNullable<NodeSDKConfiguration['spanProcessors']>[number];
type FinishedSpan = Parameters<SpanProcessor['onEnd']>[0];

/** As much of an OTLP exporter as is used here; code 0 means that it was taken. */
export interface SpanExporter {
  export(spans: FinishedSpan[], told: (result: { readonly code: number }) => void): void;
  shutdown(): Promise<void>;
}

/** What became of the spans that ended so far. */
export interface OwnSpanCounts {
  exported: number;
  /** The queue was full. */
  lostQueueFull: number;
  /** The OpenTelemetry collector was not reached or did not take them. */
  lostExport: number;
}

const QUEUE_SPANS = 2048;
const BATCH_SPANS = 512;
const EXPORT_EVERY_MS = 5000;

/** Gathers spans and exports them every few seconds, sooner when a batch is full. What does not fit is counted. */
export class OwnSpanQueue implements SpanProcessor {
  readonly #exporter: SpanExporter;
  readonly #counts: OwnSpanCounts;
  readonly #timer: NodeJS.Timeout;
  #waiting: FinishedSpan[] = [];
  #exporting: Promise<void> | undefined;

  constructor(exporter: SpanExporter, counts: OwnSpanCounts) {
    this.#exporter = exporter;
    this.#counts = counts;
    this.#timer = setInterval(() => void this.#run(), EXPORT_EVERY_MS).unref();
  }

  onStart(): void {}

  onEnd(span: FinishedSpan): void {
    if (this.#waiting.length >= QUEUE_SPANS) {
      this.#counts.lostQueueFull += 1;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length === BATCH_SPANS) void this.#run();
  }

  /** Resolved when all that waited has been exported, or could not be. */
  async forceFlush(): Promise<void> {
    for (let batches = 0; this.#waiting.length > 0 && batches <= QUEUE_SPANS / BATCH_SPANS; batches += 1) {
      await this.#run();
    }
    await this.#exporting;
  }

  async shutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.forceFlush();
    await this.#exporter.shutdown();
  }

  #run(): Promise<void> {
    this.#exporting ??= this.#exportOne().finally(() => {
      this.#exporting = undefined;
    });
    return this.#exporting;
  }

  async #exportOne(): Promise<void> {
    const batch = this.#waiting.splice(0, BATCH_SPANS);
    if (batch.length === 0) return;
    const sent = new Promise<boolean>((resolve) => this.#exporter.export(batch, ({ code }) => resolve(code === 0)));
    // an exporter that throws has not sent them either
    if (await sent.catch(() => false)) this.#counts.exported += batch.length;
    else this.#counts.lostExport += batch.length;
  }
}
