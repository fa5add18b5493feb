/** Compiles the BPF programs that Flowspan's own are compared with. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';

/**
 * Compiles test/bench/bpf/NAME.bpf.c.
 * @returns path of the object
 */
export function benchObject(name: string): string {
  const output = join('build', 'bench', `${name}.bpf.o`);
  mkdirSync(join('build', 'bench'), { recursive: true });
  const headers = `/usr/include/${arch() === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-Werror', '-idirafter', headers];
  const source = join(import.meta.dirname, '..', 'bpf', `${name}.bpf.c`);
  execFileSync(process.env.CLANG ?? 'clang-19', [...flags, '-c', source, '-o', output]);
  return output;
}
