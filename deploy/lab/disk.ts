/** Small file systems of their own, to be filled, or made read-only. Needs root. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { note, removeNow } from './registry.ts';

/** A small file system. */
export interface Disk {
  /** Where it is mounted. */
  readonly path: string;
  /** Takes all of its room. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  /** Makes it read-only, or writable again; fails while a file is open for writing. */
  setReadOnly(readOnly: boolean): void;
  unmount(): void;
}

/**
 * Mounts a file system in memory on an empty folder; unmounted at the process's end.
 * @param inodes how many files, directories and the root there is room for; default: as many as the kernel likes
 */
export function mountDisk(path: string, bytes: number, inodes?: number): Disk {
  note('mount', path);
  mount('-t', 'tmpfs', '-o', `size=${bytes}${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`, 'tmpfs', path);
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      const file = openSync(filler, 'w');
      const block = Buffer.alloc(4096);
      try {
        for (;;) writeSync(file, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler),
    setReadOnly: (readOnly) => mount('-o', `remount,${readOnly ? 'ro' : 'rw'}`, path),
    unmount: () => removeNow('mount', path),
  };
}

function mount(...words: string[]): void {
  execFileSync('mount', words);
}
