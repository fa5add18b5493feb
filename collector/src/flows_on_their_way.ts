/**
 * Which flow records are rows in a file by now, which is what the kernel side must know: what a connection's rows have
 * told is told again by the next run if this one is killed before they are in a file.
 */
import { FLOW_RECORD } from '../../bpf/wire/events.gen.ts';
import type { Arena } from './batch/arena.ts';
import type { WallClock } from './batch/clock.ts';
import type { Kernel } from './kernel.ts';

/** The rows of one look, and the latest time of their records on the boot clock. */
interface Look {
  rows: number;
  readonly bootNs: bigint;
}

/** Follows flow rows through memory, in the order in which they were begun. */
export class FlowsOnTheirWay {
  readonly #arena: Arena;
  readonly #clock: Pick<WallClock, 'wallMinusBootNs'>;
  readonly #kernel: Pick<Kernel, 'setFlowsInFiles'>;
  readonly #looks: Look[] = [];
  #rows = 0;
  #latestLow = 0;
  #latestHigh = 0;

  constructor(arena: Arena, clock: Pick<WallClock, 'wallMinusBootNs'>, kernel: Pick<Kernel, 'setFlowsInFiles'>) {
    this.#arena = arena;
    this.#clock = clock;
    this.#kernel = kernel;
  }

  /** The record at `record` has become a row. */
  row(record: number): void {
    const { view } = this.#arena;
    const low = view.getUint32(record + FLOW_RECORD.time_boot_ns, true);
    const high = view.getUint32(record + FLOW_RECORD.time_boot_ns + 4, true);
    this.#rows += 1;
    if (high < this.#latestHigh || (high === this.#latestHigh && low <= this.#latestLow)) return;
    this.#latestHigh = high;
    this.#latestLow = low;
  }

  /** The look is over. */
  looked(): void {
    if (this.#rows === 0) return;
    this.#looks.push({ rows: this.#rows, bootNs: (BigInt(this.#latestHigh) << 32n) | BigInt(this.#latestLow) });
    this.#rows = 0;
  }

  /** So many more rows are in a file, or were lost and counted. */
  arrived(rows: number): void {
    let bootNs: bigint | undefined;
    for (let left = rows; left > 0; ) {
      const [look] = this.#looks;
      if (look === undefined) break;
      const taken = Math.min(left, look.rows);
      left -= taken;
      look.rows -= taken;
      if (look.rows > 0) break;
      bootNs = look.bootNs;
      this.#looks.shift();
    }
    if (bootNs !== undefined) this.#kernel.setFlowsInFiles(bootNs, this.#clock.wallMinusBootNs);
  }
}
