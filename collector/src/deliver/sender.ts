/** Sends the whole segments of one table, one at a time, oldest first, until ClickHouse has acknowledged each. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Segment } from './segment.ts';

/** What became of one attempt to send a segment. */
export type Answer = 'stored' | 'refused';

/** The same, or that it is worth another attempt. */
export type Attempt = Answer | 'failed';

export interface SenderOptions {
  /** Sends one segment. Throws when it is worth another attempt. */
  readonly post: (segment: Segment, signal: AbortSignal) => Promise<Answer>;
  /** Told once for each segment; its file is the caller's to delete. */
  readonly finished: (segment: Segment, answer: Answer) => Promise<void>;
  /** Told of each failed attempt. */
  readonly failed: (segment: Segment, error: unknown, retryInMs: number) => void;
  /** First and longest wait between attempts, milliseconds. */
  readonly retryMs?: { readonly first: number; readonly most: number };
}

interface Waiting {
  readonly segment: Segment;
  readonly after: Promise<unknown>;
  readonly done: () => void;
}

/** The queue of one table. What it holds is bounded by the spool, whose files it names. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #queue: Waiting[] = [];
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #begun = false;
  #atBarrier = false;
  /** Whether the first segment may have been sent. */
  #attempted = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Segments that are not acknowledged yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** The segment that is sent next. */
  get oldest(): Segment | undefined {
    return this.#queue[0]?.segment;
  }

  /**
   * Queues a segment.
   * @param after nothing is sent before this is resolved
   * @returns resolved when the segment is stored or refused
   */
  push(segment: Segment, after: Promise<unknown> = Promise.resolve()): Promise<void> {
    return new Promise((done) => {
      this.#queue.push({ segment, after, done });
      this.#run();
    });
  }

  /**
   * Takes the oldest segment of some kind out of the queue, of those that nobody has begun to send: what has become of
   * another one is not known.
   */
  withdraw(wanted: (segment: Segment) => boolean): Segment | undefined {
    const index = this.#queue.findIndex(({ segment }, at) => (at > 0 || !this.#attempted) && wanted(segment));
    const [withdrawn] = index === -1 ? [] : this.#queue.splice(index, 1);
    withdrawn?.done();
    return withdrawn?.segment;
  }

  /** Begins to send; before, segments only gather. */
  start(): void {
    this.#begun = true;
    this.#run();
  }

  /** Gives up: an attempt under way is aborted, its segment stays in the spool. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    if (!this.#atBarrier) await this.#running;
  }

  #run(): void {
    if (!this.#begun || this.#running !== undefined || this.#queue.length === 0 || this.#stopped.signal.aborted) return;
    this.#running = this.#sendAll().finally(() => {
      this.#running = undefined;
      this.#run();
    });
  }

  async #sendAll(): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      this.#attempted = true;
      const answer = await this.#sendOne(next);
      if (answer === undefined) return;
      await this.#options.finished(next.segment, answer);
      this.#queue.shift();
      this.#attempted = false;
      next.done();
    }
  }

  /** @returns undefined when told to stop */
  async #sendOne({ segment, after }: Waiting): Promise<Answer | undefined> {
    const { post, failed, retryMs = { first: 250, most: 15_000 } } = this.#options;
    const { signal } = this.#stopped;
    this.#atBarrier = true;
    await after;
    this.#atBarrier = false;
    for (let pause = retryMs.first; !signal.aborted; pause = Math.min(pause * 2, retryMs.most)) {
      try {
        return await post(segment, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        const jittered = Math.round(pause * (0.8 + Math.random() * 0.4));
        failed(segment, error, jittered);
        await wait(jittered, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}
