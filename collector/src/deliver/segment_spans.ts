/** A span for each segment on its way to ClickHouse, from the first attempt to the last answer. */
import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Segment } from './segment.ts';
import type { Answer } from './sender.ts';

export interface SegmentSpanOptions {
  readonly tracer: Tracer;
  /** What all of them have in common: where the rows go. */
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** The span of the one segment that one sender is sending. */
export class SegmentSpans {
  readonly #options: SegmentSpanOptions;
  #span: Span | undefined;
  #attempts = 0;
  #signal: AbortSignal | undefined;

  constructor(options: SegmentSpanOptions) {
    this.#options = options;
  }

  /**
   * An attempt begins.
   * @param token deduplication token of its INSERT
   * @param signal fires when the sender gives up
   * @returns headers for its request: they let ClickHouse's own spans follow
   */
  attempt(
    { table, rows, bytes }: Pick<Segment, 'table' | 'rows' | 'bytes'>,
    token: string,
    signal: AbortSignal,
  ): Record<string, string> {
    this.#attempts += 1;
    if (this.#span === undefined) {
      this.#span = this.#options.tracer.startSpan(`INSERT ${table}`, {
        root: true,
        kind: SpanKind.CLIENT,
        attributes: {
          ...this.#options.attributes,
          'db.operation.name': 'INSERT',
          'db.collection.name': table,
          'db.query.summary': `INSERT ${table}`,
          'db.operation.batch.size': rows,
          'flowspan.segment.bytes': bytes,
          'flowspan.segment.token': token,
        },
      });
      this.#signal = signal;
      signal.addEventListener('abort', this.#leave, { once: true });
    }
    const headers: Record<string, string> = {};
    propagation.inject(trace.setSpan(ROOT_CONTEXT, this.#span), headers);
    return headers;
  }

  /** An attempt has failed, and another follows. */
  failed(error: unknown, retryInMs: number): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#span?.addEvent('attempt failed', { 'exception.message': message, 'flowspan.retry_in_ms': retryInMs });
  }

  /** The segment is done with. */
  finished(answer: Answer): void {
    if (answer === 'refused') this.#span?.setAttribute('error.type', 'FLOW_DELIVER_REFUSED');
    this.#end(answer, answer === 'refused');
  }

  /** It waits in the spool for the next run. */
  readonly #leave = (): void => this.#end('left_in_spool', false);

  #end(outcome: Answer | 'left_in_spool', wrong: boolean): void {
    this.#signal?.removeEventListener('abort', this.#leave);
    this.#span?.setAttributes({ 'flowspan.segment.attempts': this.#attempts, 'flowspan.segment.outcome': outcome });
    if (wrong) this.#span?.setStatus({ code: SpanStatusCode.ERROR });
    this.#span?.end();
    this.#span = undefined;
    this.#attempts = 0;
  }
}
