/** cgroups v2 that are removed with what runs in them. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { note, removeNow, uniqueName } from './registry.ts';

/** A cgroup; what runs in it is killed when it is removed. */
export interface Cgroup {
  /** Its directory. */
  readonly path: string;
  /** Its id: the inode number of its directory. */
  readonly id: bigint;
  remove(): void;
}

/** Where cgroup v2 is mounted on this machine. */
export function cgroupRoot(): string {
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type]) => type === 'cgroup2');
  if (mount?.[1] === undefined) throw new Error('cgroup v2 is not mounted');
  return mount[1];
}

/** Makes a cgroup below the root or below another one. */
export function createCgroup(parent = cgroupRoot(), name = uniqueName()): Cgroup {
  const path = join(parent, name);
  note('cgroup', path);
  mkdirSync(path);
  return { path, id: statSync(path, { bigint: true }).ino, remove: () => removeNow('cgroup', path) };
}
