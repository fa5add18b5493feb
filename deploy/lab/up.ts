/** `flowspan up` as a process of a test or of the demo. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Program, start } from './program.ts';
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
