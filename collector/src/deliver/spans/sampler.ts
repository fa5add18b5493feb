/**
 * Which requests are sent as spans: those with a reason (they failed, were slow, met trouble on the wire, or their
 * traceparent says that they are sampled) and a share of the others. Decided before the row is written, so that the row
 * says so too.
 *
 * Counts that are made of spans come out right: every request that has a reason is sent and stands for itself alone, so
 * its tracestate says `ot=th:0`; one of the share stands for 1 / ratio requests and carries the ratio's threshold. What
 * the limits below refuse is counted, not scaled.
 */
import { REQUEST_RECORD as R } from '../../../../bpf/wire/events.gen.ts';
import { FAILED_OUTCOMES, OUTCOMES, SPAN_DECISIONS } from '../../../../store/tables.ts';
import type { Arena } from '../../batch/arena.ts';
import type { Traceparent } from '../../correlate/requests/traceparent.ts';
import type { SpanDecision } from '../../rows.ts';
import { EXPORT_TRACE_PREFIX } from '../../telemetry/own_exports.ts';
import type { SpanCounts } from './counts.ts';
import { Randomness, type Threshold, thresholdOf } from './probability.ts';

/** `collector.spans` */
export interface SamplerConfig {
  readonly ratio: number;
  readonly errors: boolean;
  readonly slow_ms: number;
  readonly evidence: boolean;
  readonly follow_parent: boolean;
  readonly max_per_second: number;
}

/** What the sampler asks of the request that is written. */
export interface WrittenRequest {
  /** Value of the column `outcome`. */
  readonly outcome: number;
  readonly trace: Traceparent;
}

export interface SamplerParts {
  readonly arena: Arena;
  readonly request: WrittenRequest;
  readonly counts: SpanCounts;
  /** Whether one more span may wait. */
  readonly hasRoom: () => boolean;
  /** How many requests the row that is written stands for: its span stands for as many, or more. */
  readonly rowWeight: () => number;
}

const SAMPLED = 1;
const HIGH = 2 ** 32;
const EXPORT_MARK = [...Buffer.from(EXPORT_TRACE_PREFIX, 'hex')];
const ALWAYS = thresholdOf(1);
/** Thresholds of rows by the logarithm of their weight. */
const BY_WEIGHT = Array.from({ length: 17 }, (_, power) => thresholdOf(2 ** -power));
/** A client's own mistake (4xx) is not among them: scanners would fill the store with it. */
const FAILED: ReadonlySet<number> = new Set(FAILED_OUTCOMES.map((outcome) => OUTCOMES[outcome]));

function isStricter(one: Threshold, than: Threshold): boolean {
  return one.high > than.high || (one.high === than.high && one.low > than.low);
}

/** Decides on one request at a time; what it decided stands in its fields until the next. */
export class Sampler implements SpanDecision {
  readonly #parts: SamplerParts;
  readonly #randomness = new Randomness();
  #config!: SamplerConfig;
  #slowNs = 0;
  #ratio!: Threshold;
  /** Of the row: the same randomness has chosen it. */
  #row: Threshold = ALWAYS;
  #second = 0;
  #admitted = 0;
  /** Value of `span_decision` of the request asked about last. */
  decision: number = SPAN_DECISIONS.not_sent;
  /** `th` of that request's span. */
  threshold: string = ALWAYS.text;

  constructor(parts: SamplerParts, config: SamplerConfig) {
    this.#parts = parts;
    this.configure(config);
  }

  /** From now on decides by this. */
  configure(config: SamplerConfig): void {
    this.#config = config;
    this.#slowNs = config.slow_ms === 0 ? Number.POSITIVE_INFINITY : config.slow_ms * 1e6;
    this.#ratio = thresholdOf(config.ratio);
  }

  of(record: number): number {
    this.#row = BY_WEIGHT[31 - Math.clz32(this.#parts.rowWeight())] ?? ALWAYS;
    this.decision = this.#admit(this.#reason(record));
    this.#parts.counts.decided(this.decision);
    return this.decision;
  }

  #reason(record: number): number {
    const { arena, request } = this.#parts;
    const { view } = arena;
    const { trace } = request;
    this.threshold = this.#row.text;
    if (this.#config.errors && FAILED.has(request.outcome)) return SPAN_DECISIONS.error;
    if (this.#duration(record) >= this.#slowNs) return SPAN_DECISIONS.slow;
    if (this.#config.evidence && this.#hasEvidence(record)) return SPAN_DECISIONS.evidence;
    if (this.#config.follow_parent && (trace.flags & SAMPLED) !== 0) return SPAN_DECISIONS.parent;
    if (trace.valid) this.#randomness.ofTraceId(arena.bytes, trace.ids);
    else {
      this.#randomness.ofSequences(
        view.getUint32(record + R.request_sequence, true),
        view.getUint32(record + R.response_sequence, true),
      );
    }
    if (!this.#randomness.reaches(this.#ratio)) return SPAN_DECISIONS.not_sent;
    if (isStricter(this.#ratio, this.#row)) this.threshold = this.#ratio.text;
    return SPAN_DECISIONS.ratio;
  }

  /** The decision, unless a limit stands against it. */
  #admit(decision: number): number {
    if (decision === SPAN_DECISIONS.not_sent || this.#isExport()) return SPAN_DECISIONS.not_sent;
    const { counts, hasRoom } = this.#parts;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#admitted = 0;
    }
    if (this.#admitted >= this.#config.max_per_second) {
      counts.lose('rate_limit');
      return SPAN_DECISIONS.not_sent;
    }
    if (!hasRoom()) {
      counts.lose('queue_full');
      return SPAN_DECISIONS.not_sent;
    }
    this.#admitted += 1;
    return decision;
  }

  /** Whether Flowspan itself sent it to deliver spans: spans of those would never end. */
  #isExport(): boolean {
    const { bytes } = this.#parts.arena;
    const { trace } = this.#parts.request;
    return trace.valid && EXPORT_MARK.every((byte, index) => byte === bytes[trace.ids + index]);
  }

  #duration(record: number): number {
    const { view } = this.#parts.arena;
    return view.getUint32(record + R.duration_ns + 4, true) * HIGH + view.getUint32(record + R.duration_ns, true);
  }

  #hasEvidence(record: number): boolean {
    const { view } = this.#parts.arena;
    const seen =
      view.getUint32(record + R.retransmitted_segments, true) |
      view.getUint32(record + R.timeouts, true) |
      view.getUint32(record + R.zero_window_ns, true) |
      view.getUint32(record + R.zero_window_ns + 4, true);
    return seen !== 0;
  }
}
