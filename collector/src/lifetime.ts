/** Begin and end of a long-running process, the same for collector, store and query API. */
import { writeSync } from 'node:fs';

/** Resolves with the first SIGTERM or SIGINT from now on; the same signal again ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

/** Tells whoever started this process that it answers: `ready` on the descriptor that FLOWSPAN_READY_FD names, if any. */
export function tellReady(): void {
  const descriptor = Number(process.env.FLOWSPAN_READY_FD ?? '');
  if (descriptor > 0) writeSync(descriptor, 'ready\n');
}
