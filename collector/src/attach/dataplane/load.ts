/**
 * Loads the programs of the data plane that the wanted steps need, and attaches them in the place of an earlier run's:
 * maps are taken up by name, links get the new program without a moment between. Where the maps are laid out otherwise the
 * new ones stand beside the old, under whose programs they lie until the new are attached.
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { type BpfObject, isNativeError, networkNamespaceCookie, openLink } from '../../../native/addon.ts';
import { STEPS, type Step } from '../../config_dataplane.ts';
import type { Device } from '../../control/dataplane/part.ts';
import { AttachError } from '../error.ts';
import { loadPossible, refusedBeforeLoad } from '../load_object.ts';
import { attachToDevice, detachFromDevice, isGone, removeFromDevice } from './devices.ts';
import { type DataplanePins, layoutOf } from './pins.ts';
import { DATAPLANE_PROGRAMS, type DataplaneProgram } from './programs.ts';

const BUILT_OBJECT = fileURLToPath(new URL('../../../../build/bpf/dataplane.bpf.o', import.meta.url));

export interface DataplaneOptions {
  /** Compiled BPF object; left out: the one that was built. */
  readonly objectPath?: string | undefined;
  readonly cgroupRoot: string;
  readonly steps: readonly Step[];
  /** Names of what is kept; undefined: it is loaded to see whether it can be, and nothing is kept. */
  readonly pins: DataplanePins | undefined;
  readonly log: Pick<Logger, 'error' | 'info'>;
}

/** What became of one program. */
export interface DataplaneProgramStatus extends DataplaneProgram {
  /** Loaded and, where it attaches to one place, attached there. */
  readonly attached: boolean;
  /** Why not; empty if it is. */
  readonly reason: string;
}

/** A loaded data plane. A program that this kernel does not take is left out, and with it the step that cannot be without it. */
export class LoadedDataplane {
  readonly object: BpfObject;
  /** Tells apart maps that are laid out otherwise. */
  readonly layout: string;
  readonly #options: DataplaneOptions;
  readonly #wanted: readonly DataplaneProgram[];
  /** Reasons by name of programs that are not attached. */
  readonly #refused: Map<string, string>;
  readonly #reused = new Set<string>();
  /** Devices that were named before anything was attached. */
  #waiting: { readonly program: string; readonly device: Device }[] | undefined = [];

  /** @throws AttachError FLOW_ATTACH_LOAD, FLOW_ATTACH_KNOB or FLOW_DATAPLANE_PINS, NativeError */
  constructor(options: DataplaneOptions) {
    this.#options = options;
    this.#wanted = DATAPLANE_PROGRAMS.filter(({ step }) => options.steps.includes(step));
    const { objectPath = BUILT_OBJECT, pins } = options;
    let layout = '';
    const load = {
      objectPath,
      knobs: { node_netns_cookie: networkNamespaceCookie() },
      prepare: (object: BpfObject) => {
        layout = layoutOf(object);
        this.#reused.clear();
        for (const name of object.maps())
          if (pins !== undefined && object.reuseMap(name, pins.map(layout, name))) this.#reused.add(name);
      },
    };
    this.#refused = refusedBeforeLoad(load, this.#wanted);
    const optional = this.#wanted.map((program) => ({ ...program, required: false }));
    this.object = loadPossible(load, optional, this.#refused);
    this.layout = layout;
    try {
      if (pins !== undefined) this.#keepMaps(pins);
    } catch (error) {
      this.object.close();
      throw error;
    }
  }

  get programs(): readonly DataplaneProgramStatus[] {
    return this.#wanted.map((program) => {
      const reason =
        this.#refused.get(program.name) ?? (this.#waiting === undefined ? '' : 'its tables are not filled yet');
      return { ...program, attached: reason === '', reason };
    });
  }

  /** Whether the maps are those of an earlier run. */
  get isTakenUp(): boolean {
    return this.#reused.size === this.object.maps().length;
  }

  /** Why steps cannot be done, by step: the first program of each that is required and was refused. */
  get reasons(): ReadonlyMap<Step, string> {
    const lacking = this.#wanted.filter(({ required, name }) => required && this.#refused.has(name));
    return new Map(
      STEPS.flatMap((step) => {
        const first = lacking.find((program) => program.step === step);
        if (first === undefined) return [];
        const why = `${first.name} cannot be attached (${this.#refused.get(first.name)})`;
        return [
          [step, `${why}, missing would be ${first.missing}; it needs Linux ${first.kernelFloor} or later`] as const,
        ];
      }),
    );
  }

  /**
   * Attaches to the devices that were named, then the rest in the order of the table, and takes off what no step wants; what
   * of a step cannot be done stays as it is.
   */
  attach(): void {
    const { pins } = this.#options;
    if (pins === undefined || this.#waiting === undefined) return;
    const failed = this.reasons;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // What the cgroup's programs note of a connection counts at its device: nothing gets in where nobody there has judged it.
    for (const { program, device } of waiting) this.#tryDevice(program, device);
    for (const program of this.#wanted) {
      if (this.#refused.has(program.name) || failed.has(program.step)) continue;
      try {
        if (program.kind === 'cgroup') this.#attachCgroup(pins, program.name);
        if (program.map !== undefined) this.object.attachMap(program.name, program.map);
      } catch (error) {
        if (!isNativeError(error)) throw error;
        this.#refused.set(program.name, error.message);
      }
    }
    this.#tidy(pins);
  }

  /**
   * Also before `attach`, which does it then.
   * @throws NativeError if the device is not there, AttachError FLOW_DATAPLANE_PROGRAM if the kernel has refused the program
   */
  attachDevice(program: string, device: Device): void {
    const { pins } = this.#options;
    const reason = this.#refused.get(program);
    if (reason !== undefined) {
      const floor = DATAPLANE_PROGRAMS.find(({ name }) => name === program)?.kernelFloor;
      const message = `${program} cannot be attached to any device: ${reason}`;
      throw new AttachError('FLOW_DATAPLANE_PROGRAM', message, `It needs Linux ${floor} or later.`);
    }
    if (this.#waiting !== undefined) this.#waiting.push({ program, device });
    else if (pins !== undefined) attachToDevice(this.object, pins, program, device);
  }

  detachDevice(program: string, device: Device): void {
    const isThis = (one: { program: string; device: Device }) =>
      one.program === program && one.device.netns === device.netns && one.device.ifindex === device.ifindex;
    this.#waiting = this.#waiting?.filter((one) => !isThis(one));
    if (this.#options.pins !== undefined) detachFromDevice(this.#options.pins, program, device);
  }

  /** Ends what is in this process; what is attached stays attached. */
  close(): void {
    this.object.close();
  }

  #keepMaps(pins: DataplanePins): void {
    try {
      pins.make(this.layout);
      for (const name of this.object.maps())
        if (!this.#reused.has(name)) this.object.pinMap(name, pins.map(this.layout, name));
    } catch (error) {
      throw new AttachError(
        'FLOW_DATAPLANE_PINS',
        `the data plane cannot be kept: ${(error as Error).message}`,
        'Mount a BPF filesystem (mount -t bpf bpf /sys/fs/bpf) and set collector.pin_dir to a directory in it.',
        error,
      );
    }
  }

  #attachCgroup(pins: DataplanePins, program: string): void {
    const { cgroupRoot } = this.#options;
    const old = openLink(pins.link(program));
    try {
      if (old !== null && old.info().cgroupId === statSync(cgroupRoot, { bigint: true }).ino) {
        old.update(this.object, program);
        return;
      }
      const link = this.object.attachCgroup(program, cgroupRoot);
      link.pin(pins.newLink(program));
      link.close();
      pins.settle(program);
    } finally {
      old?.close();
    }
  }

  #tryDevice(program: string, device: Device): void {
    try {
      this.attachDevice(program, device);
    } catch (error) {
      this.#options.log.error(
        { err: error, code: 'FLOW_DATAPLANE_DEVICE', program, ...device },
        'a device was left out',
      );
    }
  }

  /** Removes links of steps that are not wanted, of programs that there are no more, of devices that are gone; other maps. */
  #tidy(pins: DataplanePins): void {
    const names = new Set(this.#wanted.map(({ name }) => name));
    for (const link of pins.links()) {
      if (!names.has(link.program) || link.isLeft || isGone(pins, link)) removeFromDevice(pins, link);
    }
    for (const layout of pins.layouts()) if (layout !== this.layout) pins.removeLayout(layout);
  }
}

/** What `removeDataplane` has removed, or would remove. */
export interface Removed {
  readonly links: readonly string[];
  /** Maps, as `<layout>/<name>`. */
  readonly maps: readonly string[];
}

/** What is there under a directory of pins. */
export function listDataplane(pins: DataplanePins): Removed {
  return {
    links: pins.links().map(({ name }) => name),
    maps: pins.layouts().flatMap((layout) => pins.maps(layout).map((name) => `${layout}/${name}`)),
  };
}

/**
 * Detaches every program of the data plane, then takes the maps' names; no collector may use it. Connections that live go
 * on: those past TCP until they end, with the program and the map that they have.
 */
export function removeDataplane(pins: DataplanePins): Removed {
  const removed = listDataplane(pins);
  for (const link of pins.links()) removeFromDevice(pins, link);
  for (const layout of pins.layouts()) pins.removeLayout(layout);
  pins.removeAll();
  return removed;
}
