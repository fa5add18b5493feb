/** Loads the BPF object and attaches every program of it that this kernel takes, or nothing at all. */

import { LAYOUT_HASH } from '../../../bpf/wire/events.gen.ts';
import { type BpfObject, isNativeError, type Link, type NativeError, openObject } from '../../native/addon.ts';
import { AttachError } from './error.ts';
import type { KeptMaps } from './kept_maps.ts';
import { impossiblePrograms } from './probe.ts';
import { PROGRAMS, type Program } from './programs.ts';

/** What is to be attached, and to what. */
export interface AttachOptions {
  /** Compiled BPF object. */
  readonly objectPath: string;
  /** Directory on the cgroup v2 mount whose sockets are watched. */
  readonly cgroupRoot: string;
  /** Values of `const volatile` globals (bpf/config.bpf.h) by name; those left out keep their defaults. */
  readonly knobs?: Readonly<Record<string, number | bigint>>;
  /** Entries of maps by name, bytes for rings; those left out keep their defaults. */
  readonly mapEntries?: Readonly<Record<string, number>>;
  /** Default: all of them. */
  readonly programs?: readonly Program[];
  /** Maps to take up from an earlier run and to leave to the next; left out: none. */
  readonly kept?: KeptMaps | undefined;
}

/** What became of one program. */
export interface ProgramStatus extends Program {
  /** Attached, or for a program that the collector runs itself: ready to run. */
  readonly attached: boolean;
  /** Why it is not attached; empty if it is. */
  readonly reason: string;
}

/** A running kernel side. */
export interface Attached {
  readonly object: BpfObject;
  readonly programs: readonly ProgramStatus[];
  /** Iterators by program name, to be run with `object.iterate`. */
  readonly iterators: ReadonlyMap<string, Link>;
  /** Detaches everything: what was written until then can still be read, and maps. */
  detach(): void;
  /** Detaches everything and frees the maps. */
  close(): void;
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

function checkLayout(object: BpfObject, path: string): void {
  const hash = object.getGlobal('layout_hash').toString('latin1').replace(/\0.*$/s, '');
  if (hash === LAYOUT_HASH) return;
  throw new AttachError(
    'FLOW_ATTACH_LAYOUT',
    `${path} writes records of layout ${hash}, this collector reads ${LAYOUT_HASH}`,
    'Build both from one source: make bpf.',
  );
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
  options: AttachOptions,
  wanted: readonly Program[],
): BpfObject {
  const object = openObject(options.objectPath);
  try {
    checkLayout(object, options.objectPath);
    for (const [name, value] of Object.entries(options.knobs ?? {}))
      object.setGlobal(name, encodeKnob(object, name, value));
    for (const [name, entries] of Object.entries(options.mapEntries ?? {})) object.setMaxEntries(name, entries);
    for (const { name } of object.programs()) {
      object.setAutoload(name, wanted.some((program) => program.name === name) && !refused.has(name));
    }
    options.kept?.reuse(object);
    object.load();
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}

/** Reasons by program name for which programs cannot be loaded, as far as they can be known before a load. */
function refusedBeforeLoad(options: AttachOptions, wanted: readonly Program[]): Map<string, string> {
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

function refuseRequired(program: Program, reason: string, cause?: unknown): never {
  throw new AttachError(
    'FLOW_ATTACH_REQUIRED',
    `required program ${program.name} cannot be attached: ${reason}; missing would be ${program.missing}`,
    `It needs Linux ${program.kernelFloor} or later and root; the verifier's last lines are in the log of the cause.`,
    cause,
  );
}

/** Loads what can be loaded; each failed attempt takes one optional program out, so attempts are bounded by their number. */
function loadPossible(options: AttachOptions, wanted: readonly Program[], refused: Map<string, string>): BpfObject {
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

function attachOne(object: BpfObject, program: Program, cgroupRoot: string): Link | undefined {
  switch (program.kind) {
    case 'tp_btf':
      return object.attach(program.name);
    case 'cgroup_skb':
    case 'sock_ops':
      return object.attachCgroup(program.name, cgroupRoot);
    case 'iterator':
      return object.attachIterator(program.name, program.map);
    case 'syscall':
      return undefined;
  }
}

function runOnce(object: BpfObject, program: Program, link: Link | undefined): void {
  if (link === undefined) object.testRun(program.name);
  else object.iterate(link);
}

/**
 * Loads and attaches. Optional programs that this kernel does not take are left out, with the reason.
 * @throws AttachError FLOW_ATTACH_LAYOUT, _KNOB, _LOAD or _REQUIRED; nothing stays attached
 */
export function attachPrograms(options: AttachOptions): Attached {
  const wanted = options.programs ?? PROGRAMS;
  const refused = refusedBeforeLoad(options, wanted);
  const object = loadPossible(options, wanted, refused);
  const links: Link[] = [];
  const iterators = new Map<string, Link>();
  try {
    const resumes = options.kept?.keep(object) ?? false;
    for (const program of wanted) {
      if (refused.has(program.name)) continue;
      try {
        const link = attachOne(object, program, options.cgroupRoot);
        if (link !== undefined) links.push(link);
        if (program.kind === 'iterator' && link !== undefined) iterators.set(program.name, link);
        if (program.resumes && resumes) runOnce(object, program, link);
      } catch (error) {
        if (!isNativeError(error)) throw error;
        if (program.required) refuseRequired(program, error.message, error);
        refused.set(program.name, error.message);
      }
    }
  } catch (error) {
    object.close();
    throw error;
  }
  const programs = wanted.map((program) => {
    const reason = refused.get(program.name) ?? '';
    return { ...program, attached: reason === '', reason };
  });
  return {
    object,
    programs,
    iterators,
    detach() {
      for (const link of links) link.close();
      iterators.clear();
    },
    close: () => object.close(),
  };
}
