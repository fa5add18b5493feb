/** What tests make outside their process is gone after them, however they ended. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { temporaryFolder } from './flowspan.ts';
import { isRunning } from './up.ts';

const MAKER = fileURLToPath(new URL('./registry-maker.ts', import.meta.url));

interface Made {
  readonly namespace: string;
  readonly cgroup: string;
  readonly folder: string;
  readonly pid: number;
  readonly limited: number;
}

/** Else the next process of some other test would be the one that cleans up. */
const env = { TMPDIR: temporaryFolder() };

/** Starts a process that makes one thing of each kind and then waits. */
async function makeThings(): Promise<{ made: Made; stop: (signal: NodeJS.Signals) => Promise<void> }> {
  const maker = start({}, [process.execPath, MAKER], env);
  const line = await eventually('what was made', () => /^\{.*\}$/m.exec(maker.output())?.[0]);
  const made = JSON.parse(line) as Made;
  assert.deepEqual(left(made), [true, true, true, true, true]);
  return { made, stop: (signal) => maker.stop(signal) };
}

function left({ namespace, cgroup, folder, pid, limited }: Made): boolean[] {
  const paths = [`/run/netns/${namespace}`, cgroup, folder];
  return [...paths.map((path) => existsSync(path)), isRunning(pid), isRunning(limited)];
}

describe('what tests make', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  it('is removed when the test process is asked to end', async () => {
    const { made, stop } = await makeThings();
    await stop('SIGTERM');
    assert.deepEqual(left(made), [false, false, false, false, false]);
  });

  it('is removed by the next test process when the one before was killed', async () => {
    const { made, stop } = await makeThings();
    await stop('SIGKILL');
    assert.equal(existsSync(`/run/netns/${made.namespace}`), true);
    const next = await makeThings();
    assert.deepEqual(left(made), [false, false, false, false, false]);
    await next.stop('SIGTERM');
  });
});
