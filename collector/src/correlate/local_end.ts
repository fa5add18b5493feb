/** The observed end of a connection: by its cgroup, and where that does not tell, by its process. */
import { CGROUP_RECORD as C, ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from '../batch/arena.ts';
import { containerOfCgroup } from '../control/cgroup_path.ts';
import type { Identity, IdentitySource, ProcessFacts } from '../control/identity.ts';
import type { Counters } from '../counters.ts';
import { rowText } from '../deliver/text.ts';
import type { Cgroups } from './cgroups.ts';
import type { Endpoints } from './endpoints.ts';
import { Executables, type Process } from './processes.ts';

export interface LocalEndOptions {
  readonly arena: Arena;
  readonly counters: Counters;
  readonly cgroups: Cgroups;
  readonly endpoints: Endpoints;
  /** Asked in this order. */
  readonly sources: readonly IdentitySource[];
  readonly readProcess: (pid: number) => Process | undefined;
}

/** A cgroup: its endpoint's number, or 0 when each process counts. */
interface KnownCgroup {
  readonly path: string;
  readonly number: number;
  readonly container: Buffer;
  /** When it was gone, nanoseconds since the epoch: its last records may still come. Undefined: it is there. */
  endedNs: bigint | undefined;
}

interface KnownProcess {
  readonly cgroupId: number;
  /** As the record that it was looked up for had it, else as /proc has it. */
  readonly command: string;
  readonly number: number;
  readonly container: Buffer;
  /** Until then other commands are taken for other threads of it. */
  readonly namedUntilMs: number;
  /** After this another process may have the pid, or it may run something else. */
  readonly untilMs: number;
}

/** A process that lives in no container. */
export const NO_CONTAINER = rowText('');

/** How long an answer about a pid holds, found and not found. */
const PROCESS_MS = 10_000;
const GONE_MS = 1000;
/** How long commands that differ are not looked into. */
const NAMED_MS = 1000;
/** Processes looked up in one look at the rings: some 30 µs each. */
const LOOKUPS_PER_LOOK = 256;
const MOST_PROCESSES = 32_768;
const MOST_CGROUPS = 100_000;
/** Bytes of a path in a record; a terminating zero stands behind it. */
const LONGEST_PATH = C.size - C.path - 1;

/** Finds observed ends; remembers what it found, bounded. */
export class LocalEnd {
  readonly #options: LocalEndOptions;
  readonly #cgroups = new Map<number, KnownCgroup>();
  readonly #processes = new Map<number, KnownProcess>();
  readonly #executables = new Executables();
  #nowMs = 0;
  #nowNs = 0n;
  #lookups = 0;
  /** How often an answer may have become another. */
  changes = 0;
  /** Id of the container that the end asked for last lives in, as rows have it; empty if none is known. */
  container: Buffer = NO_CONTAINER;

  constructor(options: LocalEndOptions) {
    this.#options = options;
  }

  /** Before each look: what time it is. */
  begin(nowMs: number, nowNs: bigint): void {
    this.#nowMs = nowMs;
    this.#nowNs = nowNs;
    this.#lookups = 0;
  }

  /** Asks the sources again from now on. */
  forget(): void {
    this.changes += 1;
    this.#cgroups.clear();
    this.#processes.clear();
  }

  /** These numbers of endpoints stand for nobody any more. */
  drop(numbers: ReadonlySet<number>): void {
    this.changes += 1;
    for (const [id, { number }] of this.#cgroups) if (numbers.has(number)) this.#cgroups.delete(id);
    for (const [pid, { number }] of this.#processes) if (numbers.has(number)) this.#processes.delete(pid);
  }

  /** Endpoint number of the end that a record was observed at, 0 if it is not known. @param isFlow flows carry the command */
  of(record: number, isFlow: boolean): number {
    const { bytes, view } = this.#options.arena;
    this.container = NO_CONTAINER;
    const owner = this.#id(record + F.owner_cgroup_id);
    const cgroupId = owner === 0 ? this.#id(record + F.socket_cgroup_id) : owner;
    if (cgroupId === 0) return 0;
    const cgroup = this.#cgroups.get(cgroupId) ?? this.#lookUpCgroup(cgroupId);
    if (cgroup === undefined) return 0;
    this.container = cgroup.container;
    if (cgroup.number !== 0) return cgroup.number;
    const pid = view.getUint32(record + F.pid, true);
    if (pid === 0) return 0;
    const command = isFlow ? (bytes[record + F.command_length] as number) : 0;
    const known = this.#processes.get(pid);
    if (known !== undefined && known.cgroupId === cgroupId && this.#nowMs < known.untilMs) {
      this.container = known.container;
      if (command === 0) return known.number;
      // Threads have names of their own: another name is a reason to look again, but not each time.
      const same = this.#nowMs < known.namedUntilMs || this.#hasCommand(record, known.command);
      if (known.number !== 0 && same) return known.number;
    }
    return this.#lookUpProcess(pid, cgroupId, cgroup, command === 0 ? '' : this.#command(record));
  }

  /** Endpoint number of a process that was found by other means than a record; 0 if it is gone. */
  ofProcess(pid: number): number {
    const process = this.#options.readProcess(pid);
    const path = process?.cgroupPaths[0];
    if (process === undefined || path === undefined) return 0;
    const identity = this.#ofCgroup(path);
    return identity === undefined || identity === 'process'
      ? this.#numberOfProcess(path, process, undefined)
      : this.#number(identity, 0, undefined);
  }

  /**
   * Takes a cgroup record in.
   * @param timeNs wall-clock time of the change
   * @returns false if it names nothing, and was counted as discarded
   */
  change(record: number, timeNs: bigint): boolean {
    const { arena, cgroups, counters, endpoints, sources } = this.#options;
    const id = this.#id(record + C.cgroup_id);
    this.changes += 1;
    if (arena.bytes[record + C.cgroup_change] === ENUMS.cgroup_change.removed) {
      const path = cgroups.known(id);
      if (path !== undefined) {
        endpoints.endCgroup(path, timeNs);
        for (const source of sources) source.cgroup?.(path, 'removed', timeNs);
      }
      const known = this.#cgroups.get(id);
      if (known !== undefined) known.endedNs = timeNs;
      cgroups.end(id, timeNs);
      return true;
    }
    const length = arena.view.getUint16(record + C.path_length, true);
    // One that fills its room may be a part of a longer one: it is looked for in the tree when somebody asks for its id.
    if (length >= LONGEST_PATH) {
      counters.discard('cgroup_path_cut');
      return false;
    }
    const path = arena.bytes.toString('utf8', record + C.path, record + C.path + length);
    cgroups.add(id, path, timeNs);
    this.#cgroups.delete(id);
    for (const source of sources) source.cgroup?.(path, 'made', timeNs);
    return true;
  }

  #id(at: number): number {
    const { view } = this.#options.arena;
    return view.getUint32(at + 4, true) * 4_294_967_296 + view.getUint32(at, true);
  }

  #command(record: number): string {
    const { bytes } = this.#options.arena;
    const length = Math.min(bytes[record + F.command_length] as number, 16);
    return bytes.toString('utf8', record + F.command, record + F.command + length);
  }

  /** Compared byte by byte: names of processes are mostly ASCII, and others are looked up once more. */
  #hasCommand(record: number, command: string): boolean {
    const { bytes } = this.#options.arena;
    if (bytes[record + F.command_length] !== command.length) return false;
    for (let index = 0; index < command.length; index += 1) {
      if (bytes[record + F.command + index] !== command.charCodeAt(index)) return false;
    }
    return true;
  }

  /** @param endedNs when that was gone by which it was found; undefined if it is there */
  #number(identity: Identity, cgroupId: number, endedNs: bigint | undefined): number {
    const { endpoints, counters } = this.#options;
    const begunNs = this.#options.cgroups.begunNs(cgroupId) ?? this.#nowNs;
    const isOver = endedNs !== undefined;
    // One that is heard of only now would not be told to end a second time.
    const told = isOver ? { ...identity, validToNs: identity.validToNs ?? endedNs } : identity;
    const number = endpoints.number(told, cgroupId, begunNs, !isOver);
    if (number === 0) counters.discard('endpoint_table_full');
    return number;
  }

  #ofCgroup(path: string): Identity | 'process' | undefined {
    for (const source of this.#options.sources) {
      const identity = source.ofCgroup(path);
      if (identity !== undefined) return identity;
    }
    return undefined;
  }

  #lookUpCgroup(id: number): KnownCgroup | undefined {
    const path = this.#options.cgroups.pathOf(id, this.#nowMs);
    if (path === undefined) return undefined;
    const identity = this.#ofCgroup(path);
    const endedNs = this.#options.cgroups.endedNs(id);
    const number = identity === undefined || identity === 'process' ? 0 : this.#number(identity, id, endedNs);
    if (this.#cgroups.size >= MOST_CGROUPS) this.#cgroups.clear();
    const container = typeof identity === 'object' ? containerIn(identity, [path]) : NO_CONTAINER;
    const known = { path, number, container, endedNs };
    this.#cgroups.set(id, known);
    return known;
  }

  #lookUpProcess(pid: number, cgroupId: number, cgroup: KnownCgroup, command: string): number {
    const { path } = cgroup;
    const { readProcess, counters } = this.#options;
    if (this.#lookups >= LOOKUPS_PER_LOOK) {
      counters.discard('process_lookup_limit');
      return 0;
    }
    this.#lookups += 1;
    const process = readProcess(pid);
    let number = 0;
    this.container = NO_CONTAINER;
    if (process !== undefined) {
      number = this.#numberOfProcess(path, process, cgroup.endedNs);
      this.#executables.learn(path, command || process.command, process.executable);
    } else if (command !== '') {
      const executable = this.#executables.of(path, command);
      number = this.#numberOfProcess(path, { executable, cgroupPaths: [] }, cgroup.endedNs);
    } else {
      counters.discard('process_gone');
    }
    const before = this.#processes.get(pid);
    if (before !== undefined && (before.number !== number || !before.container.equals(this.container)))
      this.changes += 1;
    if (this.#processes.size >= MOST_PROCESSES) this.#processes.clear();
    this.#processes.set(pid, {
      cgroupId,
      command: command || (process?.command ?? ''),
      number,
      container: this.container,
      namedUntilMs: this.#nowMs + NAMED_MS,
      untilMs: this.#nowMs + (process === undefined ? GONE_MS : PROCESS_MS),
    });
    return number;
  }

  #numberOfProcess(cgroupPath: string, process: ProcessFacts, endedNs: bigint | undefined): number {
    for (const source of this.#options.sources) {
      const identity = source.ofProcess(cgroupPath, process);
      if (identity === undefined) continue;
      this.container = containerIn(identity, process.cgroupPaths);
      return this.#number(identity, 0, endedNs);
    }
    return 0;
  }
}

/** Id of the container that an endpoint's process lives in, as rows have it. @param paths of its cgroups */
function containerIn({ cgroupPath, containerId }: Identity, paths: readonly string[]): Buffer {
  const found = paths.map((path) => containerOfCgroup(path, cgroupPath)).find((id) => id !== '');
  const id = found ?? containerId;
  return id === '' ? NO_CONTAINER : rowText(id);
}
