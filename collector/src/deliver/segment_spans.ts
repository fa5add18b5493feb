/** A span for each segment on its way to ClickHouse, from the first attempt to the last answer. */
import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Segment } from './segment.ts';
import type { Answer } from './sender.ts';

export interface SegmentSpanOptions {
  readonly tracer: Tracer;
  /** What all of them have in common: where the rows go. */
  readonly attributes: Readonly<Record<string, string | number>>;
}

interface Open {
  readonly span: Span;
  attempts: number;
  readonly signal: AbortSignal;
  readonly leave: () => void;
}

/** What a span tells of a segment. */
export type TracedSegment = Pick<Segment, 'table' | 'name' | 'rows' | 'bytes'>;

/** The spans of the segments that one sender is sending. */
export class SegmentSpans {
  readonly #options: SegmentSpanOptions;
  readonly #open = new Map<string, Open>();

  constructor(options: SegmentSpanOptions) {
    this.#options = options;
  }

  /**
   * An attempt begins.
   * @param token deduplication token of its INSERT
   * @param signal fires when the sender gives up
   * @returns headers for its request: they let ClickHouse's own spans follow
   */
  attempt(segment: TracedSegment, token: string, signal: AbortSignal): Record<string, string> {
    const open = this.#open.get(segment.name) ?? this.#begin(segment, token, signal);
    open.attempts += 1;
    const headers: Record<string, string> = {};
    propagation.inject(trace.setSpan(ROOT_CONTEXT, open.span), headers);
    return headers;
  }

  /** An attempt has failed, and another follows. */
  failed({ name }: TracedSegment, error: unknown, retryInMs: number): void {
    const message = error instanceof Error ? error.message : String(error);
    const facts = { 'exception.message': message, 'flowspan.retry_in_ms': retryInMs };
    this.#open.get(name)?.span.addEvent('attempt failed', facts);
  }

  /** The segment is done with. */
  finished({ name }: TracedSegment, answer: Answer): void {
    if (answer === 'refused') this.#open.get(name)?.span.setAttribute('error.type', 'FLOW_DELIVER_REFUSED');
    this.#end(name, answer, answer === 'refused');
  }

  #begin({ table, name, rows, bytes }: TracedSegment, token: string, signal: AbortSignal): Open {
    const span = this.#options.tracer.startSpan(`INSERT ${table}`, {
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
    // It waits in the spool for the next run.
    const leave = () => this.#end(name, 'left_in_spool', false);
    signal.addEventListener('abort', leave, { once: true });
    const open = { span, attempts: 0, signal, leave };
    this.#open.set(name, open);
    return open;
  }

  #end(name: string, outcome: Answer | 'left_in_spool', wrong: boolean): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    this.#open.delete(name);
    open.signal.removeEventListener('abort', open.leave);
    open.span.setAttributes({ 'flowspan.segment.attempts': open.attempts, 'flowspan.segment.outcome': outcome });
    if (wrong) open.span.setStatus({ code: SpanStatusCode.ERROR });
    open.span.end();
  }
}
