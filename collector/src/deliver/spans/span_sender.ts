/**
 * Sends what waits in the queue, in batches by size and age, several at a time, beside the data path: spans are made of
 * rows a few at a time between two looks at the rings. A collector that does not answer holds back its batches only,
 * then the queue fills, and what finds no room is counted.
 */
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { SpanCounts } from './counts.ts';
import type { ReadableSpan, SpanExporter } from './otlp.ts';
import type { SampledRequest, SpanMaker } from './request_span.ts';
import type { SpanQueue } from './span_queue.ts';

export interface SenderParts {
  readonly queue: SpanQueue;
  readonly maker: SpanMaker;
  readonly exporter: SpanExporter;
  readonly counts: SpanCounts;
  readonly log: Logger;
  /** For the log. */
  readonly endpoint: string;
}

/** Exports in flight. */
export const MOST_EXPORTS = 4;
const BATCH_SPANS = 256;
/** Spans made without a pause, some 25 µs each. */
const SLICE_SPANS = 32;
/** Longest that a span waits for others. */
const BATCH_MS = 1000;
/** A request's events come by rings of their own, and those of its other end later: they are waited for. */
const SETTLE_MS = 250;
const TICK_MS = 100;

/** Sends until it is closed. */
export class SpanSender {
  readonly #parts: SenderParts;
  readonly #inFlight = new Set<Promise<void>>();
  /** Spans of exports in flight. */
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #making = false;
  #failing = false;
  #closed = false;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.#next(), TICK_MS);
    this.#timer.unref();
  }

  /**
   * Sends what waits, as far as there is time.
   * @param timeoutMs what is not sent by then is lost, and counted
   */
  async close(timeoutMs: number): Promise<void> {
    clearInterval(this.#timer);
    const { queue, counts } = this.#parts;
    const deadline = performance.now() + timeoutMs;
    const patience = new AbortController();
    const over = wait(timeoutMs, undefined, { signal: patience.signal }).catch(() => undefined);
    while (performance.now() < deadline && !this.#failing) {
      this.#next(true);
      if (this.#inFlight.size === 0) break;
      await Promise.race([over, ...this.#inFlight]);
    }
    patience.abort();
    this.#closed = true;
    counts.lose('stopped', queue.clear() + this.#unanswered);
  }

  #next(all = false): void {
    const { queue } = this.#parts;
    const nowMs = performance.now();
    if (this.#making || this.#closed || this.#inFlight.size >= MOST_EXPORTS) return;
    if (!all && queue.length < BATCH_SPANS && queue.ageMs(nowMs) < BATCH_MS) return;
    const requests = queue.take(BATCH_SPANS, all ? nowMs : nowMs - SETTLE_MS);
    if (requests.length === 0) return;
    this.#making = true;
    this.#unanswered += requests.length;
    const sent = this.#send(requests).finally(() => {
      this.#inFlight.delete(sent);
      this.#unanswered -= requests.length;
      this.#next(all);
    });
    this.#inFlight.add(sent);
  }

  async #send(requests: SampledRequest[]): Promise<void> {
    const { exporter, counts } = this.#parts;
    const spans = await this.#make(requests);
    this.#making = false;
    this.#next();
    if (spans.length === 0 || this.#closed) return;
    const error = await exporter.export(spans);
    if (this.#closed) return;
    if (error === undefined) counts.exported += spans.length;
    else counts.lose('export_failed', spans.length);
    this.#tell(error);
  }

  async #make(requests: SampledRequest[]): Promise<ReadableSpan[]> {
    const { maker, counts, log } = this.#parts;
    const spans: ReadableSpan[] = [];
    for (const [index, request] of requests.entries()) {
      if (index % SLICE_SPANS === SLICE_SPANS - 1) await turn();
      try {
        spans.push(maker.make(request));
      } catch (error) {
        if (counts.lost.unreadable === 0) log.error({ err: error, code: 'FLOW_SPANS_ROW' }, 'a row makes no span');
        counts.lose('unreadable');
      }
    }
    return spans;
  }

  /** Once when it begins to fail, once when it is over. */
  #tell(error: Error | undefined): void {
    const failing = error !== undefined;
    if (failing === this.#failing) return;
    this.#failing = failing;
    const { log, endpoint } = this.#parts;
    if (failing) {
      log.warn(
        { code: 'FLOW_SPANS_EXPORT', endpoint, cause: error.message },
        'spans are not taken: check otlp.endpoint; they are lost and counted until it answers',
      );
    } else log.info({ endpoint }, 'spans are taken again');
  }
}
