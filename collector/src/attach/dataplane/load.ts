/** Loads the programs of the data plane that the wanted steps need, and attaches them. */
import { fileURLToPath } from 'node:url';
import { type BpfObject, isNativeError, type Link } from '../../../native/addon.ts';
import { STEPS, type Step } from '../../config_dataplane.ts';
import type { Device } from '../../control/dataplane/part.ts';
import { loadPossible, refusedBeforeLoad } from '../load_object.ts';
import { DATAPLANE_PROGRAMS, type DataplaneProgram } from './programs.ts';

const BUILT_OBJECT = fileURLToPath(new URL('../../../../build/bpf/dataplane.bpf.o', import.meta.url));

export interface DataplaneOptions {
  /** Compiled BPF object; left out: the one that was built. */
  readonly objectPath?: string | undefined;
  readonly cgroupRoot: string;
  readonly steps: readonly Step[];
  /** Values of `const volatile` globals by name. */
  readonly knobs?: Readonly<Record<string, number | bigint>>;
}

/** What became of one program. */
export interface DataplaneProgramStatus extends DataplaneProgram {
  /** Loaded and, where it attaches to one place, attached there. */
  readonly attached: boolean;
  /** Why not; empty if it is. */
  readonly reason: string;
}

/** Loads. A program that this kernel does not take is left out, and with it the step that cannot be without it. */
export class LoadedDataplane {
  readonly object: BpfObject;
  readonly #options: DataplaneOptions;
  readonly #wanted: readonly DataplaneProgram[];
  /** Reasons by name of programs that are not attached. */
  readonly #refused: Map<string, string>;
  readonly #links = new Map<string, Link>();

  /** @throws AttachError FLOW_ATTACH_LOAD or FLOW_ATTACH_KNOB, NativeError */
  constructor(options: DataplaneOptions) {
    this.#options = options;
    this.#wanted = DATAPLANE_PROGRAMS.filter(({ step }) => options.steps.includes(step));
    const { objectPath = BUILT_OBJECT, knobs } = options;
    const load = { objectPath, knobs };
    this.#refused = refusedBeforeLoad(load, this.#wanted);
    const optional = this.#wanted.map((program) => ({ ...program, required: false }));
    this.object = loadPossible(load, optional, this.#refused);
  }

  get programs(): readonly DataplaneProgramStatus[] {
    return this.#wanted.map((program) => {
      const reason = this.#refused.get(program.name) ?? '';
      return { ...program, attached: reason === '', reason };
    });
  }

  /** Why steps cannot be done, by step: the first program of each that is required and not there. */
  get reasons(): ReadonlyMap<Step, string> {
    const lacking = this.programs.filter(({ required, attached }) => required && !attached);
    return new Map(
      STEPS.flatMap((step) => {
        const first = lacking.find((program) => program.step === step);
        const words =
          first && `${first.name} cannot be attached (${first.reason}), without it are missing: ${first.missing}`;
        return words === undefined ? [] : [[step, words] as const];
      }),
    );
  }

  /** Attaches what attaches to one place, in the order of the table; steps that cannot be done are left out. */
  attach(): void {
    for (const program of this.#wanted) {
      if (program.kind !== 'cgroup' || this.#refused.has(program.name) || this.reasons.has(program.step)) continue;
      try {
        this.#links.set(program.name, this.object.attachCgroup(program.name, this.#options.cgroupRoot));
      } catch (error) {
        if (!isNativeError(error)) throw error;
        this.#refused.set(program.name, error.message);
      }
    }
  }

  attachDevice(_program: string, _device: Device): void {
    throw new Error('devices come with the next landing');
  }

  detachDevice(_program: string, _device: Device): void {
    throw new Error('devices come with the next landing');
  }

  close(): void {
    this.object.close();
  }
}
