/** What the BPF programs cost, counted by the kernel only while somebody asks: counting itself costs time per run. */
import type { Handle } from '../../../native/addon.ts';
import type { Kernel } from '../../kernel.ts';
import { type Family, labelsText, type Sample } from '../../telemetry/metrics_text.ts';
import type { FamilyInfo } from './edge_family.ts';

/** How long the kernel counts after each question, milliseconds. */
const COUNT_MS = 60_000;

const RUN_SECONDS: FamilyInfo = {
  name: 'flowspan_bpf_run_seconds_total',
  type: 'counter',
  help: 'Time that BPF programs ran while it was counted: for 60 s after each GET /metrics/bpf. Unit: seconds.',
  unit: 'seconds',
  labels: ['program'],
};
const RUNS: FamilyInfo = {
  name: 'flowspan_bpf_runs_total',
  type: 'counter',
  help: 'Runs of BPF programs while they were counted: for 60 s after each GET /metrics/bpf. Unit: runs.',
  unit: 'runs',
  labels: ['program'],
};

/** Run time of the programs of one kernel side. */
export class BpfRunTime {
  readonly infos: readonly FamilyInfo[] = [RUN_SECONDS, RUNS];
  readonly #kernel: Kernel;
  #counting: Handle | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Makes the kernel count for the next minute.
   * @throws NativeError FLOW_NATIVE_STATS if the kernel refuses
   */
  count(): void {
    this.#counting ??= this.#kernel.countRunTime();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), COUNT_MS);
    this.#timer.unref();
  }

  families(): Family[] {
    const stats = this.#kernel.programStats();
    const samples = (value: (of: (typeof stats)[number]) => number): Sample[] =>
      stats.map((program) => ({ suffix: '', labels: labelsText({ program: program.name }), value: value(program) }));
    return [
      { ...RUN_SECONDS, samples: samples(({ runTimeNs }) => Number(runTimeNs) / 1e9) },
      { ...RUNS, samples: samples(({ runCount }) => Number(runCount)) },
    ];
  }

  /** Lets the kernel stop counting. */
  close(): void {
    clearTimeout(this.#timer);
    this.#counting?.close();
    this.#counting = undefined;
  }
}
