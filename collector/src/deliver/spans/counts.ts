/** What became of spans, from the start on: for metrics, status and tests. */
import { SPAN_DECISIONS } from '../../../../store/tables.ts';

/** Why a request was sent as a span; `not_sent` if it was not. See `requests.span_decision`. */
export type Decision = keyof typeof SPAN_DECISIONS;

export const DECISIONS = Object.keys(SPAN_DECISIONS) as Decision[];

/** Why a span that was to be sent was not. */
export const SPAN_LOSSES = [
  /** Beyond `collector.spans.max_per_second`. Its row says `not_sent`. */
  'rate_limit',
  /** `collector.spans.queue_spans` of them waited already. Its row says `not_sent`. */
  'queue_full',
  /** The OpenTelemetry collector could not be reached, did not answer in time, or refused it. */
  'export_failed',
  /** It still waited when this process ended. */
  'stopped',
  /** No span could be made of its row: a fault of Flowspan's own. */
  'unreadable',
] as const;
export type SpanLoss = (typeof SPAN_LOSSES)[number];

/** Counts of one collector; all zero where no spans are sent. */
export class SpanCounts {
  /** Requests by decision; without `otlp.endpoint` none is decided on. */
  readonly decisions: Readonly<Record<Decision, number>>;
  readonly lost: Readonly<Record<SpanLoss, number>>;
  readonly #decisions: Record<Decision, number>;
  readonly #lost: Record<SpanLoss, number>;
  /** Spans that the OpenTelemetry collector took. */
  exported = 0;

  constructor() {
    this.#decisions = Object.fromEntries(DECISIONS.map((name) => [name, 0])) as Record<Decision, number>;
    this.decisions = this.#decisions;
    this.#lost = Object.fromEntries(SPAN_LOSSES.map((name) => [name, 0])) as Record<SpanLoss, number>;
    this.lost = this.#lost;
  }

  /** @param decision value of `span_decision` */
  decided(decision: number): void {
    this.#decisions[DECISIONS[decision] as Decision] += 1;
  }

  lose(why: SpanLoss, count = 1): void {
    this.#lost[why] += count;
  }
}
