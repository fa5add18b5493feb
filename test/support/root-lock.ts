/** The right to attach programs to the root cgroup: one holder at a time on this machine. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Program, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const LOCK = join(tmpdir(), 'flowspan-root-cgroup.lock');
const LONGEST_WAIT_MS = 240_000;

/** Waits for the lock and holds it until the returned program is stopped. */
export async function lockRootCgroup(): Promise<Program> {
  const holder = start({}, ['flock', '--no-fork', LOCK, 'sh', '-c', 'echo held; exec sleep 3600']);
  await eventually('the lock of the root cgroup', () => holder.output().includes('held'), LONGEST_WAIT_MS);
  return holder;
}
