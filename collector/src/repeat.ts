/** Work that comes again and again. */
import { setTimeout as wait } from 'node:timers/promises';

/**
 * Does some work at an interval, never twice at once, until told to stop.
 * @param everyMs asked anew before each wait
 * @returns resolved when the last turn has ended
 */
export async function repeat(
  everyMs: () => number,
  signal: AbortSignal,
  work: () => unknown,
  failed: (error: unknown) => void,
): Promise<void> {
  for (;;) {
    await wait(everyMs(), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await work();
    } catch (error) {
      failed(error);
    }
  }
}
