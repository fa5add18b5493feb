/** How a child of `flowspan up` notices that its parent is gone, however that ended: its standard input ends. */

/** Set by the parent to `stdin` when the child's standard input is a pipe that only the parent holds. */
export const PARENT_VARIABLE = 'FLOWSPAN_PARENT';

/** Longest time from the parent's end to the child's, in milliseconds, if the child does not end on SIGTERM. */
const GRACE_MS = 5_000;

/** Sends this process SIGTERM when the parent that started it is gone. Does nothing for a process started otherwise. */
export function endWithParent(): void {
  if (process.env[PARENT_VARIABLE] !== 'stdin') return;
  process.stdin.once('close', () => {
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
  process.stdin.on('error', () => {});
  process.stdin.resume();
  if ('unref' in process.stdin) process.stdin.unref();
}
