/**
 * One shop at a time on this machine: TCP events are told of the whole machine, and the hosts of two shops would have
 * the same names.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Program, start } from '../lab/program.ts';
import { eventually } from '../lab/wait.ts';

const LOCK = join(tmpdir(), 'flowspan-demo.lock');
const LONGEST_WAIT_MS = 600_000;
const TELL_AFTER_MS = 1_000;

/**
 * Waits until no other shop is open, and keeps others waiting until the returned program is stopped.
 * @param tell gets a line if there is something to wait for
 */
export async function lockShop(tell: (line: string) => void = () => {}): Promise<Program> {
  // The lock is open only in the process that holds it: it is free when that is gone, however it ended.
  const holder = start({}, ['flock', '--no-fork', LOCK, 'sh', '-c', 'echo held; exec sleep infinity']);
  const told = setTimeout(() => tell('demo: another demo runs on this machine; waiting for its end'), TELL_AFTER_MS);
  try {
    await eventually('the end of another demo', () => holder.output().includes('held'), LONGEST_WAIT_MS);
  } finally {
    clearTimeout(told);
  }
  return holder;
}
