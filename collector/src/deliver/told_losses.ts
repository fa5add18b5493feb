/**
 * A report tells that all before it is stored. What was lost instead holds its place among the segments until rows of
 * `losses` that tell of it are stored, so that no report goes before them.
 */

export interface ToldLossesOptions {
  /** Makes rows of what was lost so far. Left out: nobody tells of losses, and nothing waits for it. */
  readonly tell: (() => void) | undefined;
  /** Has these rows go to their file; resolves when they are there, and, with `seal`, in the queue of segments. */
  readonly write: (seal: boolean) => Promise<void>;
  /** Whether ClickHouse is away: rows go to the file at once, and the file grows until it is back. */
  readonly isStuck: () => boolean;
  /** Told of each place that nothing waits for any longer. */
  readonly done: (order: number) => void;
}

/** Places of lost rows, and the segments of `losses` that they wait for. */
interface Told {
  readonly orders: readonly number[];
  readonly behind: Set<number>;
}

/** Least time between two tellings: losses may come with each look. */
const REST_MS = 1000;

/** Places by their number in the order of all segments. */
export class ToldLosses {
  readonly #options: ToldLossesOptions;
  /** Of what no sealed row of losses tells yet. */
  #untold: number[] = [];
  readonly #told = new Set<Told>();
  /** Segments of losses in the queue. */
  readonly #queued = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #isTelling = false;
  #mayTell = false;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ToldLossesOptions) {
    this.#options = options;
  }

  /** From now on losses are told; before, places only gather. */
  start(): void {
    this.#mayTell = true;
    this.#soon();
  }

  stop(): void {
    this.#mayTell = false;
    clearTimeout(this.#timer);
  }

  /** Rows were lost, all of a segment or some. */
  lost(order: number): void {
    const { tell, done } = this.#options;
    if (tell === undefined) {
      done(order);
      return;
    }
    this.#untold.push(order);
    this.#soon();
  }

  /** A segment of `losses` was queued. */
  queued(order: number): void {
    this.#queued.add(order);
  }

  /** A segment of `losses` is done with. @param isLost what it told of has to be told anew */
  ended(order: number, isLost: boolean): void {
    this.#queued.delete(order);
    for (const told of [...this.#told]) {
      if (!told.behind.delete(order)) continue;
      if (!isLost && told.behind.size > 0) continue;
      this.#told.delete(told);
      if (isLost) this.#untold.push(...told.orders);
      else for (const one of told.orders) this.#options.done(one);
    }
    this.#soon();
  }

  #soon(): void {
    if (this.#untold.length === 0 || this.#isTelling || this.#timer !== undefined || !this.#mayTell) return;
    const restMs = Math.max(0, this.#toldAtMs + REST_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isTelling = true;
      void this.#tell().finally(() => {
        this.#isTelling = false;
        this.#soon();
      });
    }, restMs);
    this.#timer.unref();
  }

  async #tell(): Promise<void> {
    const { tell, write, isStuck, done } = this.#options;
    this.#toldAtMs = performance.now();
    const orders = [...this.#untold];
    tell?.();
    const seal = !isStuck();
    await write(seal);
    if (!seal) return;
    this.#untold = this.#untold.slice(orders.length);
    if (this.#queued.size > 0) this.#told.add({ orders, behind: new Set(this.#queued) });
    else for (const order of orders) done(order);
  }
}
