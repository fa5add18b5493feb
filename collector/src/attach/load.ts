/** Loads the BPF object and attaches every program of it that this kernel takes, or nothing at all. */

import { LAYOUT_HASH } from '../../../bpf/wire/events.gen.ts';
import { type BpfObject, type Handle, isNativeError, type Link } from '../../native/addon.ts';
import { AttachError } from './error.ts';
import type { KeptMaps } from './kept_maps.ts';
import { type LoadOptions, loadPossible, refusedBeforeLoad, refuseRequired } from './load_object.ts';
import { PROGRAMS, type Program, SHARED_PROGRAMS } from './programs.ts';
import { attachReader, objectWithReader } from './redirect_reader.ts';
import { type SharedMaps, takeUpShared } from './shared_maps.ts';

/** What is to be attached, and to what. */
export interface AttachOptions extends LoadOptions {
  /** Directory on the cgroup v2 mount whose sockets are watched. */
  readonly cgroupRoot: string;
  /** Default: all of them; where anything is redirected, its reader comes besides. */
  readonly programs?: readonly Program[];
  /** Maps to take up from an earlier run and to leave to the next; left out: none. */
  readonly kept?: KeptMaps | undefined;
  /** Maps of the data plane to read what it decides; left out: none is loaded. */
  readonly shared?: SharedMaps | undefined;
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

function checkLayout(object: BpfObject, path: string): void {
  const hash = object.getGlobal('layout_hash').toString('latin1').replace(/\0.*$/s, '');
  if (hash === LAYOUT_HASH) return;
  throw new AttachError(
    'FLOW_ATTACH_LAYOUT',
    `${path} writes records of layout ${hash}, this collector reads ${LAYOUT_HASH}`,
    'Build both from one source: make bpf.',
  );
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
    case 'redirect_reader':
    case 'syscall':
      return undefined;
  }
}

function runOnce(object: BpfObject, program: Program, link: Link | undefined): void {
  if (link === undefined) object.testRun(program.name);
  else object.iterate(link);
}

/** Programs that are loaded and attached nowhere yet. */
export interface LoadedPrograms {
  /**
   * Attaches, once. What cannot be attached and is not required is left out, with the reason.
   * @throws AttachError FLOW_ATTACH_REQUIRED; nothing stays attached
   */
  attach(): Attached;
  close(): void;
}

/**
 * Loads. Optional programs that this kernel does not take are left out, with the reason.
 * @throws AttachError FLOW_ATTACH_LAYOUT, _KNOB, _LOAD, _SHARED or _REQUIRED
 */
export function loadPrograms(options: AttachOptions): LoadedPrograms {
  const { kept, shared } = options;
  const wanted = [...(options.programs ?? PROGRAMS), ...(shared?.redirects ? SHARED_PROGRAMS : [])];
  const { objectPath, reason: unreadable } = shared?.redirects
    ? objectWithReader(options.objectPath)
    : { objectPath: options.objectPath, reason: '' };
  const refused = refusedBeforeLoad({ ...options, objectPath }, wanted);
  if (unreadable !== '') for (const { name } of SHARED_PROGRAMS) refused.set(name, unreadable);
  const check = (object: BpfObject) => checkLayout(object, objectPath);
  const prepare = (object: BpfObject) => {
    kept?.reuse(object);
    if (shared !== undefined) takeUpShared(object, shared);
  };
  const knobs = { ...options.knobs, ...(shared === undefined ? {} : { dataplane_loaded: 1 }) };
  const object = loadPossible({ ...options, objectPath, knobs, check, prepare }, wanted, refused);
  return { attach: () => attachLoaded(object, wanted, refused, options), close: () => object.close() };
}

/** Loads and attaches. @throws AttachError as `loadPrograms` and its `attach`; nothing stays attached */
export function attachPrograms(options: AttachOptions): Attached {
  return loadPrograms(options).attach();
}

function attachLoaded(
  object: BpfObject,
  wanted: readonly Program[],
  refused: Map<string, string>,
  { kept, cgroupRoot }: AttachOptions,
): Attached {
  const links: Link[] = [];
  const readers: Handle[] = [];
  const iterators = new Map<string, Link>();
  try {
    const resumes = kept?.keep(object) ?? false;
    for (const program of wanted) {
      if (refused.has(program.name)) continue;
      try {
        const link = attachOne(object, program, cgroupRoot);
        if (link !== undefined) links.push(link);
        if (program.kind === 'redirect_reader') readers.push(attachReader(object, program.name));
        if (program.kind === 'iterator' && link !== undefined) iterators.set(program.name, link);
        if (program.resumes && resumes) runOnce(object, program, link);
      } catch (error) {
        if (!isNativeError(error)) throw error;
        if (program.required) refuseRequired(program, error.message, error);
        refused.set(program.name, error.message);
      }
    }
  } catch (error) {
    for (const reader of readers) reader.close();
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
      for (const each of [...readers, ...links]) each.close();
      iterators.clear();
    },
    close() {
      for (const reader of readers) reader.close();
      object.close();
    },
  };
}
