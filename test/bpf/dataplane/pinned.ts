/** The data plane without a collector: loaded, pinned and attached by bpftool, held by nobody's process. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroup } from '../../../deploy/lab/cgroup.ts';
import { pinDirectory } from '../../../deploy/lab/pins.ts';
import { removeNow } from '../../../deploy/lab/registry.ts';

export const OBJECT: string = join(import.meta.dirname, '../../../build/bpf/dataplane.bpf.o');

const bpftool = (...words: string[]): string => execFileSync('bpftool', words, { encoding: 'utf8', stdio: 'pipe' });

const asBytes = (bytes: Uint8Array): string[] => [...bytes].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`);

/** An id or a number as a map has it: eight bytes, little-endian. */
export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** The same in four bytes. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Programs and maps under a directory of the BPF filesystem. */
export class PinnedDataplane {
  readonly directory: string = pinDirectory();

  /** @param object path of the compiled object; default: the data plane's */
  constructor(object: string = OBJECT) {
    bpftool('prog', 'loadall', object, this.directory, 'pinmaps', this.#maps);
  }

  get #maps(): string {
    return join(this.directory, 'maps');
  }

  program(name: string): string {
    return join(this.directory, name);
  }

  map(name: string): string {
    return join(this.#maps, name);
  }

  mapNames(): string[] {
    return readdirSync(this.#maps);
  }

  /** Attaches a program to a cgroup beside others, until the cgroup is removed. */
  attachCgroup(program: string, type: string, cgroup: Cgroup): void {
    bpftool('cgroup', 'attach', cgroup.path, type, 'pinned', this.program(program), 'multi');
  }

  /** Attaches a program to the sockets of a map, until the map is gone. */
  attachMap(program: string, type: string, map: string): void {
    bpftool('prog', 'attach', 'pinned', this.program(program), type, 'pinned', this.map(map));
  }

  /** Loads another object beside this one, pinned under `name`, and its maps beside these. */
  loadBeside(object: string, name: string): void {
    bpftool('prog', 'load', object, this.program(name), 'pinmaps', this.#maps);
  }

  /** Puts a program into a map of programs. */
  setProgram(map: string, key: Uint8Array, program: string): void {
    bpftool('map', 'update', 'pinned', this.map(map), 'key', ...asBytes(key), 'value', 'pinned', this.program(program));
  }

  /** The value of a key; the map has it. */
  get(map: string, key: Uint8Array): Buffer {
    const found = JSON.parse(bpftool('-j', 'map', 'lookup', 'pinned', this.map(map), 'key', ...asBytes(key))) as {
      value: string[];
    };
    return Buffer.from(found.value.map(Number));
  }

  /** Lets no process change a map any more; programs still do. */
  freeze(map: string): void {
    bpftool('map', 'freeze', 'pinned', this.map(map));
  }

  set(map: string, key: Uint8Array, value: Uint8Array): void {
    bpftool('map', 'update', 'pinned', this.map(map), 'key', ...asBytes(key), 'value', ...asBytes(value));
  }

  delete(map: string, key: Uint8Array): void {
    bpftool('map', 'delete', 'pinned', this.map(map), 'key', ...asBytes(key));
  }

  /** Keys of a map, as bytes; those of a sockhash can be read, its values cannot. */
  keys(map: string): Buffer[] {
    const entries = JSON.parse(bpftool('-j', 'map', 'dump', 'pinned', this.map(map))) as { key: string[] }[];
    return entries.map(({ key }) => Buffer.from(key.map(Number)));
  }

  /** Sums over all CPUs of a per-CPU array of u64. */
  counters(map: string): number[] {
    const entries = JSON.parse(bpftool('-j', 'map', 'dump', 'pinned', this.map(map))) as {
      values: { value: string[] }[];
    }[];
    return entries.map(({ values }) =>
      values
        .map(({ value }) => Number(Buffer.from(value.map(Number)).readBigUInt64LE()))
        .reduce((sum, each) => sum + each, 0),
    );
  }

  /** Unpins everything; what is attached to a cgroup stays until that is removed. */
  close(): void {
    removeNow('folder', this.directory);
  }
}
