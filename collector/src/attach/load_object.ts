/** Loads a BPF object without those of its programs that this kernel does not take. */
import { type BpfObject, isNativeError, type NativeError, openObject } from '../../native/addon.ts';
import { AttachError } from './error.ts';
import { impossiblePrograms } from './probe.ts';

/** What of a program is known before it is loaded. */
export interface LoadableProgram {
  /** Name of the function in bpf/. */
  readonly name: string;
  /** Whether nothing is to be loaded without it. */
  readonly required: boolean;
  /** First kernel release that has what the program needs. */
  readonly kernelFloor: string;
  /** What is lost without it, as a sentence without its end. */
  readonly missing: string;
}

export interface LoadOptions {
  /** Compiled BPF object. */
  readonly objectPath: string;
  /** Values of `const volatile` globals by name; those left out keep their defaults. */
  readonly knobs?: Readonly<Record<string, number | bigint>> | undefined;
  /** Entries of maps by name, bytes for rings; those left out keep their defaults. */
  readonly mapEntries?: Readonly<Record<string, number>> | undefined;
  /** Called with the file opened, before anything else is done to it; it may throw. */
  readonly check?: ((object: BpfObject) => void) | undefined;
  /** Called right before each attempt to load. */
  readonly prepare?: ((object: BpfObject) => void) | undefined;
}

/** A knob in the width its variable has in the object. */
function encodeKnob(object: BpfObject, name: string, value: number | bigint): Buffer {
  const bytes = object.getGlobal(name);
  const limit = 1n << BigInt(bytes.length * 8);
  if (BigInt(value) < 0n || BigInt(value) >= limit) {
    throw new AttachError(
      'FLOW_ATTACH_KNOB',
      `${name} is ${value}, and has ${bytes.length} bytes`,
      `Give it a value from 0 to ${limit - 1n}.`,
    );
  }
  for (let i = 0, rest = BigInt(value); i < bytes.length; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** The program that libbpf's log names as the one that did not load, and the verifier's last word on it. */
function loadFailure(error: NativeError): { program: string | undefined; reason: string } {
  const program = [...error.log.matchAll(/prog '([^']+)': (?!--)/g)].at(-1)?.[1];
  const lines = error.log
    .split('\n')
    .filter((line) => line !== '' && !/^(libbpf: |processed |verification time|stack depth|-- )/.test(line));
  return { program, reason: lines.at(-1)?.trim() ?? error.cause };
}

/** Opens the object and loads it without the programs in `refused`. */
function loadWithout(
  refused: ReadonlyMap<string, string>,
  options: LoadOptions,
  wanted: readonly LoadableProgram[],
): BpfObject {
  const object = openObject(options.objectPath);
  try {
    options.check?.(object);
    for (const [name, value] of Object.entries(options.knobs ?? {}))
      object.setGlobal(name, encodeKnob(object, name, value));
    for (const [name, entries] of Object.entries(options.mapEntries ?? {})) object.setMaxEntries(name, entries);
    for (const { name } of object.programs()) {
      object.setAutoload(name, wanted.some((program) => program.name === name) && !refused.has(name));
    }
    options.prepare?.(object);
    object.load();
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}

/** Reasons by program name for which programs cannot be loaded, as far as they can be known before a load. */
export function refusedBeforeLoad(options: LoadOptions, wanted: readonly LoadableProgram[]): Map<string, string> {
  const object = openObject(options.objectPath);
  try {
    const infos = object.programs();
    const refused = impossiblePrograms(infos);
    for (const { name } of wanted) {
      if (!infos.some((info) => info.name === name)) refused.set(name, 'the BPF object has no such program');
    }
    return refused;
  } finally {
    object.close();
  }
}

/** @throws AttachError FLOW_ATTACH_REQUIRED */
export function refuseRequired(program: LoadableProgram, reason: string, cause?: unknown): never {
  throw new AttachError(
    'FLOW_ATTACH_REQUIRED',
    `required program ${program.name} cannot be attached: ${reason}; missing would be ${program.missing}`,
    `It needs Linux ${program.kernelFloor} or later and root; the verifier's last lines are in the log of the cause.`,
    cause,
  );
}

/**
 * Loads what can be loaded; each failed attempt takes one optional program out, so attempts are bounded by their number.
 * @param refused reasons by name of programs that are left out; those that the kernel does not take are added
 * @throws AttachError FLOW_ATTACH_LOAD, _REQUIRED or _KNOB
 */
export function loadPossible(
  options: LoadOptions,
  wanted: readonly LoadableProgram[],
  refused: Map<string, string>,
): BpfObject {
  for (;;) {
    for (const program of wanted) {
      const reason = refused.get(program.name);
      if (program.required && reason !== undefined) refuseRequired(program, reason);
    }
    try {
      return loadWithout(refused, options, wanted);
    } catch (error) {
      if (!isNativeError(error) || error.code !== 'FLOW_NATIVE_LOAD') throw error;
      const failure = loadFailure(error);
      const program = wanted.find(({ name }) => name === failure.program && !refused.has(name));
      if (program === undefined) {
        throw new AttachError('FLOW_ATTACH_LOAD', `${error.message}: ${failure.reason}`, error.nextStep, error);
      }
      if (program.required) refuseRequired(program, failure.reason, error);
      refused.set(program.name, failure.reason);
    }
  }
}
