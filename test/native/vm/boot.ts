/** Boots another kernel in an emulator, with this checkout's BPF object, addon and Node in its memory. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CAPABILITIES } from '../../../collector/src/attach/capabilities.ts';
import { noteProcess } from '../../../deploy/lab/registry.ts';
import { builtTestProgram } from '../build.ts';
import { linesBehind, REFUSAL_MARK, REPORT_MARK, type Refusal, type Report } from './report.ts';

const ROOT = join(import.meta.dirname, '../../..');
const KERNELS = join(process.env.FLOWSPAN_FIXTURES ?? join(ROOT, 'fixtures'), 'kernels');
/** Without hardware help the verifier takes seconds, beside other work minutes. */
const BOOT_TIMEOUT_MS = 300_000;
/** On a busy machine the emulated timer is late, which a kernel that tests its timer takes for broken. */
const KERNEL_WORDS = 'console=ttyS0 quiet panic=-1 loglevel=3 no_timer_check';

/** What watch.ts needs of this checkout. */
const CHECKOUT = [
  'package.json',
  'bpf/wire',
  'build/bpf/flowspan.bpf.o',
  'build/bpf/dataplane.bpf.o',
  'build/bpf/flowspan_redirect.bpf.o',
  'build/flowspan.node',
  'build/test/lose.bpf.o',
  'collector/native/addon.ts',
  'collector/src/attach',
  'store/errors.ts',
  'test/native/vm/dataplane.ts',
  'test/native/vm/records.ts',
  'test/native/vm/refusal.ts',
  'test/native/vm/report.ts',
  'test/native/vm/smoke.ts',
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
  const rights = CAPABILITIES.map(({ name, bit }) => `${bit} ${name}\n`).join('');
  writeFileSync(join(root, 'capabilities'), rights);
  builtTestProgram('lose.bpf.o');
  for (const path of CHECKOUT) copy(join(ROOT, path), join('flowspan', path));
  for (const program of [process.execPath, join(ROOT, 'build/flowspan.node')]) {
    for (const library of librariesOf(program)) copy(library, library);
  }
  copy(process.execPath, 'bin/node');
  copy(builtTestProgram('vm-init'), 'init');
  execFileSync('strip', [join(root, 'bin/node')]);
  const image = join(directory, 'machine.cpio');
  execFileSync('sh', ['-c', `chmod -R a+rX . && find . | cpio -o -H newc --quiet > '${image}'`], { cwd: root });
  return image;
}

/** What was told of a kernel. */
export interface Told {
  readonly report: Report;
  readonly refusals: readonly Refusal[];
}

/** Boots a kernel and returns what watch.ts and refusal.ts told there. */
export async function bootAndWatch(kernel: BootableKernel, machine: string): Promise<Told> {
  const emulator = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-cpu', 'max', '-m', '2048', '-smp', '2', '-nographic', '-no-reboot'],
      ...['-kernel', kernel.image, '-initrd', machine, '-append', KERNEL_WORDS],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: BOOT_TIMEOUT_MS, killSignal: 'SIGKILL' },
  );
  if (emulator.pid !== undefined) noteProcess(emulator.pid);
  let output = '';
  for (const stream of [emulator.stdout, emulator.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  await once(emulator, 'close');
  const [report] = linesBehind<Report>(REPORT_MARK, output);
  if (report === undefined) throw new Error(`Linux ${kernel.release} gave no report:\n${output.slice(-4000)}`);
  return { report, refusals: linesBehind<Refusal>(REFUSAL_MARK, output) };
}
