/** Boots another kernel in an emulator, with this checkout's BPF object, addon and Node in its memory. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { builtTestProgram } from '../build.ts';
import { REPORT_MARK, type Report } from './watch.ts';

const ROOT = join(import.meta.dirname, '../../..');
const KERNELS = join(process.env.FLOWSPAN_FIXTURES ?? join(ROOT, 'fixtures'), 'kernels');
/** Without hardware help the verifier takes seconds. */
const BOOT_TIMEOUT_MS = 150_000;

/** What watch.ts needs of this checkout. */
const CHECKOUT = [
  'package.json',
  'bpf/wire',
  'build/bpf/flowspan.bpf.o',
  'build/flowspan.node',
  'collector/native/addon.ts',
  'collector/src/attach',
  'store/errors.ts',
  'test/native/vm/watch.ts',
];

/** A kernel that can be booted. */
export interface BootableKernel {
  readonly release: string;
  readonly image: string;
}

/** Kernels that `make fixtures` has fetched; empty where there are none or no emulator. */
export function bootableKernels(): BootableKernel[] {
  if (!existsSync('/usr/bin/qemu-system-x86_64') || !existsSync(KERNELS)) return [];
  return readdirSync(KERNELS).map((release) => ({ release, image: join(KERNELS, release, 'vmlinuz') }));
}

/** Shared libraries of a program, the loader included. */
function librariesOf(path: string): string[] {
  const lines = execFileSync('ldd', [path], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** Writes the initial memory file system and returns its path. */
export function buildMachine(directory: string): string {
  const root = join(directory, 'root');
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    cpSync(realpathSync(from), join(root, to), { recursive: true });
  };
  for (const empty of ['proc', 'sys', 'dev', 'tmp']) mkdirSync(join(root, empty), { recursive: true });
  for (const path of CHECKOUT) copy(join(ROOT, path), join('flowspan', path));
  for (const program of [process.execPath, join(ROOT, 'build/flowspan.node')]) {
    for (const library of librariesOf(program)) copy(library, library);
  }
  copy(process.execPath, 'bin/node');
  copy(builtTestProgram('vm-init'), 'init');
  execFileSync('strip', [join(root, 'bin/node')]);
  const image = join(directory, 'machine.cpio');
  execFileSync('sh', ['-c', `find . | cpio -o -H newc --quiet > '${image}'`], { cwd: root });
  return image;
}

/** Makes a temporary directory for `use`, and removes it. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-vm-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Boots a kernel and returns what watch.ts reported there. */
export async function bootAndWatch(kernel: BootableKernel, machine: string): Promise<Report> {
  const emulator = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-cpu', 'max', '-m', '2048', '-smp', '2', '-nographic', '-no-reboot'],
      ...['-kernel', kernel.image, '-initrd', machine, '-append', 'console=ttyS0 quiet panic=-1 loglevel=3'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: BOOT_TIMEOUT_MS, killSignal: 'SIGKILL' },
  );
  let output = '';
  for (const stream of [emulator.stdout, emulator.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  await once(emulator, 'close');
  const line = output.split('\n').find((text) => text.includes(REPORT_MARK));
  if (line === undefined) throw new Error(`Linux ${kernel.release} gave no report:\n${output.slice(-4000)}`);
  return JSON.parse(line.slice(line.indexOf(REPORT_MARK) + REPORT_MARK.length)) as Report;
}
