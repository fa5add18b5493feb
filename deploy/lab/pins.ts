/** Directories in the BPF filesystem that are removed at the process's end, and what is kept by name in them. */
import { join } from 'node:path';
import { note, uniqueName } from './registry.ts';

const BPF_FILESYSTEM = '/sys/fs/bpf';

/** A directory of its own for `collector.pin_dir`; the collector makes it. */
export function pinDirectory(): string {
  const path = join(BPF_FILESYSTEM, uniqueName());
  note('folder', path);
  return path;
}
