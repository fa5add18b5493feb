/**
 * Requests that stand for what a bucket of durations counts: the raw facts of one per bucket, taken at most once a
 * second. What is shown of them, their ids, is worked out when somebody asks.
 */
import { REQUEST_RECORD as R } from '../../../../bpf/wire/events.gen.ts';
import { spanId, traceId } from '../../../../store/ids.ts';
import type { Exemplar } from '../../telemetry/metrics_text.ts';

/** When a request ended: whole seconds since the epoch, and nanoseconds since then in two halves. */
interface End {
  readonly second: number;
  readonly low: number;
  readonly high: number;
}

/** Words of 32 bits kept of one request. */
const WORDS = 12;
const [TIME_LOW, TIME_HIGH, SECOND, REQUEST, RESPONSE, DURATION_LOW, DURATION_HIGH, HAS_TRACE, TRACE_ID] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
];

/** Exemplars by row of a histogram and bucket. */
export class Exemplars {
  readonly #buckets: number;
  #words = new Uint32Array(0);

  /** @param buckets of a row */
  constructor(buckets: number) {
    this.#buckets = buckets;
  }

  /** Makes room for a row that is new; what another left there is forgotten. */
  clear(row: number): void {
    const begin = row * this.#buckets * WORDS;
    const end = begin + this.#buckets * WORDS;
    if (end > this.#words.length) {
      const larger = new Uint32Array(Math.max(end, 2 * this.#words.length));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words.fill(0, begin, end);
  }

  /** Whether a bucket has none of this second yet. */
  wants(row: number, bucket: number, second: number): boolean {
    return this.#words[this.#at(row, bucket) + SECOND] !== second;
  }

  /**
   * Keeps a request. At most once a second and bucket: what it allocates does not matter.
   * @param end when it ended: whole seconds, and both halves of the nanoseconds since the epoch
   * @param record where its record is
   * @param trace where 16 bytes of its traceparent's trace id are; -1: it has none
   */
  keep(row: number, bucket: number, end: End, view: DataView, record: number, trace: number): void {
    const words = this.#words;
    const at = this.#at(row, bucket);
    words[at + TIME_LOW] = end.low;
    words[at + TIME_HIGH] = end.high;
    words[at + SECOND] = end.second;
    words[at + REQUEST] = view.getUint32(record + R.request_sequence, true);
    words[at + RESPONSE] = view.getUint32(record + R.response_sequence, true);
    words[at + DURATION_LOW] = view.getUint32(record + R.duration_ns, true);
    words[at + DURATION_HIGH] = view.getUint32(record + R.duration_ns + 4, true);
    words[at + HAS_TRACE] = trace === -1 ? 0 : 1;
    if (trace === -1) return;
    for (let word = 0; word < 4; word += 1) words[at + TRACE_ID + word] = view.getUint32(trace + 4 * word, false);
  }

  /** The exemplar of a bucket, with the ids that its row has in `requests`; undefined if there is none. */
  of(row: number, bucket: number, observationPoint: string): Exemplar | undefined {
    const at = this.#at(row, bucket);
    const word = (index: number) => this.#words[at + index] as number;
    if (word(SECOND) === 0) return undefined;
    const time = (BigInt(word(TIME_HIGH)) << 32n) | BigInt(word(TIME_LOW));
    const sent = [0, 1, 2, 3]
      .map((index) =>
        word(TRACE_ID + index)
          .toString(16)
          .padStart(8, '0'),
      )
      .join('');
    const request = {
      time,
      request_sequence: word(REQUEST),
      response_sequence: word(RESPONSE),
      observation_point: observationPoint,
      trace_id: word(HAS_TRACE) === 1 ? sent : null,
    };
    return {
      labels: `trace_id="${traceId(request)}",span_id="${spanId(request)}"`,
      value: (word(DURATION_HIGH) * 2 ** 32 + word(DURATION_LOW)) / 1e9,
      seconds: Number(time / 1_000_000n) / 1000,
    };
  }

  #at(row: number, bucket: number): number {
    return (row * this.#buckets + bucket) * WORDS;
  }
}
