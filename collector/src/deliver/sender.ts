/**
 * Sends the whole segments of one table until ClickHouse has acknowledged each. What has just been written has a lane
 * of its own, so that it never waits behind what an outage left; that has lanes of its own too, oldest first.
 */
import { Fifo } from './fifo.ts';
import type { Segment } from './segment.ts';

/** What became of one attempt to send a segment. */
export type Answer = 'stored' | 'refused';

/** The same, or that it is worth another attempt. */
export type Attempt = Answer | 'failed';

/** A segment on its way. */
export interface Waiting {
  readonly segment: Segment;
  /** performance.now() when it was queued; -Infinity for what an earlier run left. */
  readonly sinceMs: number;
  /** performance.now() when its last row came; of what an earlier run left, as the wall clock told at the start. */
  readonly endedAtMs: number;
  /** Its place among the segments of all tables. */
  readonly order: number;
  /**
   * performance.now() when an INSERT of it last ended without an answer, or was left by an earlier run: ClickHouse may
   * have its rows. Undefined if it surely has not.
   */
  doubtSinceMs: number | undefined;
}

export interface SenderOptions {
  /** Sends one segment. Throws when it is worth another attempt. */
  readonly post: (waiting: Waiting, signal: AbortSignal) => Promise<Answer>;
  /** Told once for each segment; its place is the caller's to free. */
  readonly finished: (waiting: Waiting, answer: Answer) => Promise<void>;
  /** Told of each segment that `withdraw` took out. */
  readonly withdrawn?: (waiting: Waiting) => void;
  /** Told of each failed attempt. */
  readonly failed: (segment: Segment, error: unknown, retryInMs: number) => void;
  /** Told when an attempt succeeds after one that had failed. */
  readonly recovered?: () => void;
  /** Whether a segment may be sent now; `look` has it asked again. Left out: always. */
  readonly mayGo?: (order: number) => boolean;
  /** Lanes of what waits longer than `freshMs`. 0: there is one lane for all, strictly in order. */
  readonly backlogLanes?: number;
  /** First and longest wait between attempts, milliseconds. */
  readonly retryMs?: { readonly first: number; readonly most: number };
}

/** What has waited for longer is backlog. */
export const FRESH_MS = 10_000;
const BACKLOG_LANES = 2;

/** The queue of one table. What it holds is bounded by the spool. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #fresh = new Fifo<Waiting>();
  readonly #backlog = new Fifo<Waiting>();
  readonly #held = new Set<Waiting>();
  readonly #stopped = new AbortController();
  /** What wakes lanes that have nothing to send, and those that wait before they try again. */
  readonly #idle = new Set<() => void>();
  readonly #resting = new Set<() => void>();
  #lanes: Promise<void>[] = [];
  #isStuck = true;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Whether nothing can be sent at the moment, as far as the last attempt tells. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Segments that are not acknowledged yet. */
  get waiting(): number {
    return this.#fresh.length + this.#backlog.length + this.#held.size;
  }

  /** Rows in them. */
  get rowsWaiting(): number {
    let rows = 0;
    for (const { segment } of this.#fresh) rows += segment.rows + segment.damaged;
    for (const { segment } of this.#backlog) rows += segment.rows + segment.damaged;
    for (const { segment } of this.#held) rows += segment.rows + segment.damaged;
    return rows;
  }

  /** The segment that has waited longest. */
  get oldest(): Segment | undefined {
    const heads = [this.#fresh.first, this.#backlog.first, ...this.#held].filter((one) => one !== undefined);
    return heads.sort((a, b) => a.order - b.order)[0]?.segment;
  }

  /** Queues a segment. */
  push(waiting: Waiting): void {
    (waiting.sinceMs === Number.NEGATIVE_INFINITY ? this.#backlog : this.#fresh).push(waiting);
    this.look();
  }

  /** Takes the oldest segment of some kind out of the queue, of those that nobody has begun to send. */
  withdraw(wanted: (segment: Segment, endedAtMs: number) => boolean): Segment | undefined {
    const matches = ({ segment, endedAtMs }: Waiting) => wanted(segment, endedAtMs);
    const withdrawn = this.#backlog.take(matches) ?? this.#fresh.take(matches);
    if (withdrawn !== undefined) this.#options.withdrawn?.(withdrawn);
    return withdrawn?.segment;
  }

  /** Begins to send; before, segments only gather. */
  start(): void {
    this.#isStuck = false;
    const { backlogLanes = BACKLOG_LANES } = this.#options;
    const backlog = () => this.#takeBacklog();
    const takes = backlogLanes === 0 ? [() => this.#takeAny()] : [() => this.#takeFresh()];
    for (let lane = 0; lane < backlogLanes; lane += 1) takes.push(backlog);
    this.#lanes = takes.map((take) => this.#run(take));
  }

  /** Gives up: attempts under way are aborted, their segments stay in the spool. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.look();
    this.hurry();
    await Promise.all(this.#lanes);
  }

  /** Has idle lanes look for what may go. */
  look(): void {
    for (const wake of [...this.#idle]) wake();
  }

  /** What failed is tried again at once: ClickHouse is there again. */
  hurry(): void {
    for (const wake of [...this.#resting]) wake();
  }

  #age(): void {
    const { backlogLanes } = this.#options;
    if (backlogLanes === 0) return;
    const before = performance.now() - FRESH_MS;
    for (let first = this.#fresh.first; first !== undefined && first.sinceMs < before; first = this.#fresh.first) {
      this.#backlog.push(first);
      this.#fresh.shift();
    }
  }

  #takeFresh(): Waiting | undefined {
    this.#age();
    return this.#fresh.shift();
  }

  #takeBacklog(): Waiting | undefined {
    this.#age();
    return this.#backlog.shift();
  }

  #takeAny(): Waiting | undefined {
    const queue = this.#backlog.length > 0 ? this.#backlog : this.#fresh;
    const mayGo = this.#options.mayGo ?? (() => true);
    return queue.first !== undefined && mayGo(queue.first.order) ? queue.shift() : undefined;
  }

  async #run(take: () => Waiting | undefined): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const next = take();
      if (next === undefined) {
        // What is fresh becomes backlog without anybody saying so.
        await pauseUntil(this.#idle, FRESH_MS);
        continue;
      }
      this.#held.add(next);
      const answer = await this.#send(next);
      // Counted at once where `finished` counts it, not when its file is gone.
      this.#held.delete(next);
      if (answer !== undefined) await this.#options.finished(next, answer);
    }
  }

  /** @returns undefined when told to stop */
  async #send(waiting: Waiting): Promise<Answer | undefined> {
    const { post, failed, recovered, retryMs = { first: 250, most: 15_000 } } = this.#options;
    const { signal } = this.#stopped;
    for (let pause = retryMs.first; !signal.aborted; pause = Math.min(pause * 2, retryMs.most)) {
      try {
        const answer = await post(waiting, signal);
        this.#isStuck = false;
        if (pause > retryMs.first) recovered?.();
        return answer;
      } catch (error) {
        if (signal.aborted) return undefined;
        this.#isStuck = true;
        const jittered = Math.round(pause * (0.8 + Math.random() * 0.4));
        failed(waiting.segment, error, jittered);
        await pauseUntil(this.#resting, jittered);
      }
    }
    return undefined;
  }
}

/** Waits so long, or until it is woken. */
function pauseUntil(sleepers: Set<() => void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      sleepers.delete(end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    sleepers.add(end);
  });
}
