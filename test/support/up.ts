/** `flowspan up` as a process of a test. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Program, run, start } from './program.ts';
import { noteProcess } from './registry.ts';
import { eventually } from './wait.ts';

const COMMAND = fileURLToPath(new URL('../../query-api/cli/flowspan.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** A running `flowspan up`. */
export interface Up {
  readonly program: Program;
  /** From its start to ready, in milliseconds. */
  readonly readyMs: number;
  /** Process ids of its children by subcommand. */
  children(): Map<string, number>;
}

/** Starts `flowspan up` and resolves when it says that everything is ready. */
export async function startUp(env: NodeJS.ProcessEnv, ...flags: string[]): Promise<Up> {
  const began = performance.now();
  const program = start({}, [process.execPath, COMMAND, 'up', ...flags], env);
  await eventually(
    'flowspan up',
    () => {
      if (program.process.exitCode !== null) throw new Error(`flowspan up ended early\n${program.output()}`);
      return /^flowspan: ready$/m.test(program.output());
    },
    READY_TIMEOUT_MS,
  );
  const children = (): Map<string, number> => {
    const pids = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return new Map(pids.filter((pid) => pid > 0).map((pid) => [subcommandOf(pid), pid]));
  };
  for (const pid of children().values()) noteProcess(pid);
  return { program, readyMs: performance.now() - began, children };
}

function subcommandOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return words[words.findIndex((word) => word.endsWith('flowspan.ts')) + 1] ?? '';
}

/** Runs a `flowspan` command to its end; resolves with exit code and both outputs. */
export async function flowspanCommand(
  env: NodeJS.ProcessEnv,
  ...words: string[]
): Promise<{ code: number | null; output: string }> {
  const program = start({}, [process.execPath, COMMAND, ...words], env);
  await eventually(`flowspan ${words.join(' ')}`, () => program.process.exitCode !== null, 20_000).catch(
    async (error) => {
      await program.stop('SIGKILL');
      throw error;
    },
  );
  return { code: program.process.exitCode, output: program.output() };
}

/** Whether a process is there. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Ids of BPF programs and links that no living process holds open: what was left attached or pinned. */
export async function leftInKernel(kind: 'prog' | 'link'): Promise<number[]> {
  const all = (JSON.parse(execFileSync('bpftool', ['-j', kind, 'list'], { encoding: 'utf8' })) as { id: number }[]).map(
    ({ id }) => id,
  );
  const held = heldIds(kind === 'prog' ? 'prog_id' : 'link_id');
  return all.filter((id) => !held.has(id)).toSorted((a, b) => a - b);
}

function heldIds(field: string): Set<number> {
  const ids = new Set<number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fdinfo`)) {
        const id = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(
          readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'),
        )?.[1];
        if (id !== undefined) ids.add(Number(id));
      }
    } catch {
      // gone meanwhile
    }
  }
  return ids;
}

/** Runs curl where the test runs. */
export function curl(url: string): Promise<string> {
  return run({}, ['curl', '-s', '-m', '5', url]);
}
