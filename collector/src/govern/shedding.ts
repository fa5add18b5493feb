/**
 * Which records get a row, at the level that is in force. Requests are chosen by the same randomness as spans (the trace
 * id, else the sequence numbers), so that both ends keep the same ones, a trace stays whole, and a span that the ratio
 * chose keeps its row. What failed, was slow or met trouble is a stratum of its own: it keeps its own weight, and does not
 * stand for others.
 */
import { REQUEST_RECORD as R } from '../../../bpf/wire/events.gen.ts';
import { FAILED_OUTCOMES, OUTCOMES } from '../../../store/tables.ts';
import type { Arena } from '../batch/arena.ts';
import { Randomness, type Threshold, thresholdOf } from '../deliver/spans/probability.ts';
import type { WrittenRequest } from '../deliver/spans/sampler.ts';
import { weightOfEvent, weightOfRequest } from './cgroup_loads.ts';
import { LEVELS, type Level } from './levels.ts';

export interface SheddingParts {
  readonly arena: Arena;
  /** Holds the request that is asked about. */
  readonly request: WrittenRequest;
  /** `collector.governor.slow_ms` */
  readonly slowMs: number;
}

const HIGH = 2 ** 32;
const FAILED: ReadonlySet<number> = new Set(FAILED_OUTCOMES.map((outcome) => OUTCOMES[outcome]));

export class Shedding {
  readonly #parts: SheddingParts;
  readonly #slowNs: number;
  readonly #randomness = new Randomness();
  #level: Level = LEVELS[0] as Level;
  #ordinary: Threshold = thresholdOf(1);
  #trouble: Threshold = thresholdOf(1);
  /** How many the record asked about last stands for: column `sample_weight`. */
  weight = 1;

  constructor(parts: SheddingParts) {
    this.#parts = parts;
    this.#slowNs = parts.slowMs * 1e6;
  }

  /** From now on this much is shed. */
  set level(level: Level) {
    this.#level = level;
    this.#ordinary = thresholdOf(1 / level.requestWeight);
    this.#trouble = thresholdOf(1 / level.troubleWeight);
  }

  get level(): Level {
    return this.#level;
  }

  /** Whether a request whose texts are prepared gets a row. */
  keepsRequest(record: number): boolean {
    const { arena, request } = this.#parts;
    const inKernel = weightOfRequest(arena, record);
    this.weight = inKernel;
    if (this.#level.requestWeight === 1) return true;
    const trouble = this.#isTrouble(record);
    const here = trouble ? this.#level.troubleWeight : this.#level.requestWeight;
    // The kernel chose by the same randomness: the stricter of both choices is the choice.
    if (here <= inKernel) return true;
    this.weight = here;
    const { view, bytes } = arena;
    if (request.trace.valid) this.#randomness.ofTraceId(bytes, request.trace.ids);
    else {
      this.#randomness.ofSequences(
        view.getUint32(record + R.request_sequence, true),
        view.getUint32(record + R.response_sequence, true),
      );
    }
    return this.#randomness.reaches(trouble ? this.#trouble : this.#ordinary);
  }

  /** Whether a TCP event gets a row. */
  keepsEvent(record: number): boolean {
    this.weight = weightOfEvent(this.#parts.arena, record);
    return !this.#level.eventsAsCounts;
  }

  /** Flows always get their row. */
  keepsFlow(): true {
    this.weight = 1;
    return true;
  }

  #isTrouble(record: number): boolean {
    const { arena, request } = this.#parts;
    if (FAILED.has(request.outcome)) return true;
    const { view } = arena;
    const seen =
      view.getUint32(record + R.retransmitted_segments, true) |
      view.getUint32(record + R.timeouts, true) |
      view.getUint32(record + R.zero_window_ns, true) |
      view.getUint32(record + R.zero_window_ns + 4, true);
    if (seen !== 0) return true;
    const ns = view.getUint32(record + R.duration_ns + 4, true) * HIGH + view.getUint32(record + R.duration_ns, true);
    return ns >= this.#slowNs;
  }
}
