/**
 * Spans of looks at the rings. There are forty looks a second, and more under load; few become a span: of those that read
 * records, the first in SAMPLE_EVERY_MS, and one that took SLOW_MS or longer, if the last of these is SLOW_EVERY_MS ago.
 * A collector that reads nothing makes none.
 */
import type { Tracer } from '@opentelemetry/api';

const SAMPLE_EVERY_MS = 10_000;
const SLOW_MS = 20;
const SLOW_EVERY_MS = 1000;

/** Told of every look that read something; most only move three numbers. */
export class DrainSpans {
  readonly #tracer: Tracer;
  readonly #recordsRead: () => number;
  #records: number;
  #looks = 0;
  #nextSampleMs = 0;
  #nextSlowMs = 0;

  /** @param recordsRead records of all kinds read so far */
  constructor(tracer: Tracer, recordsRead: () => number) {
    this.#tracer = tracer;
    this.#recordsRead = recordsRead;
    this.#records = recordsRead();
  }

  /** @param beganMs performance.now() before the look */
  looked(bytes: number, beganMs: number): void {
    const nowMs = performance.now();
    const before = this.#records;
    this.#records = this.#recordsRead();
    this.#looks += 1;
    const slow = nowMs - beganMs >= SLOW_MS && nowMs >= this.#nextSlowMs;
    const due = nowMs >= this.#nextSampleMs;
    if (!slow && !due) return;
    if (slow) this.#nextSlowMs = nowMs + SLOW_EVERY_MS;
    if (due) this.#nextSampleMs = nowMs + SAMPLE_EVERY_MS;
    const attributes = {
      'flowspan.drain.records': this.#records - before,
      'flowspan.drain.bytes': bytes,
      // of how many this one is the example
      'flowspan.drain.looks': this.#looks,
      'flowspan.drain.chosen': slow ? 'slow' : 'time',
    };
    this.#looks = 0;
    this.#tracer.startSpan('drain', { root: true, startTime: beganMs, attributes }).end(nowMs);
  }
}
