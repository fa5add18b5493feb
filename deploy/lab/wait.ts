/** Waiting for what other processes do, bounded in time. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `probe` until it returns something other than undefined and false.
 * @param what for the error: what was waited for
 * @param timeoutMs at most this long, in milliseconds
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`);
    await sleep(50);
  }
}

/** Calls `probe` every `stillMs` until two calls return the same text, and returns that: what it tells of is quiet. */
export async function quiet(
  what: string,
  probe: () => Promise<string>,
  stillMs = 500,
  timeoutMs = 30_000,
): Promise<string> {
  let before = await probe();
  return eventually(
    `${what} to become quiet`,
    async () => {
      await sleep(stillMs);
      const now = await probe();
      if (now === before) return now;
      before = now;
      return undefined;
    },
    timeoutMs,
  );
}
