/** `flowspan up` as a process of a test. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

export { startUp, type Up } from '../../deploy/lab/up.ts';

const COMMAND = fileURLToPath(new URL('../../query-api/cli/flowspan.ts', import.meta.url));

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
