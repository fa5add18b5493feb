/** Programs of tests, compiled as the project's own are. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { arch } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** @returns the object's path */
export function compileBpf(source: URL, name: string): string {
  const machine = arch() === 'arm64' ? ['arm64', 'aarch64'] : ['x86', 'x86_64'];
  const object = `${ROOT}build/test/${name}.bpf.o`;
  mkdirSync(`${ROOT}build/test`, { recursive: true });
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-Werror', `-D__TARGET_ARCH_${machine[0]}`];
  const include = [`-I${ROOT}bpf`, '-idirafter', `/usr/include/${machine[1]}-linux-gnu`];
  execFileSync(process.env.CLANG ?? 'clang-19', [...flags, ...include, '-c', fileURLToPath(source), '-o', object]);
  return object;
}
