/**
 * Reads manifests in a thread of its own. They are other people's: whatever they are made of, the rings are read on in the
 * meantime, and the memory that it takes is bounded and given back.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ReadDirectory, signatureOf } from './directory.ts';
import { READ_MIB, READ_MS } from './limits.ts';

/** What the thread is asked to read. */
export interface ReadOrder {
  readonly directory: string;
  readonly known: ReadonlyMap<string, string>;
}

/**
 * As `readDirectory`; never throws.
 * @param limits milliseconds and MiB beyond which it is given up
 */
export async function readInThread(
  directory: string,
  known: ReadonlyMap<string, string>,
  signal?: AbortSignal,
  { ms = READ_MS, mib = READ_MIB }: { readonly ms?: number; readonly mib?: number } = {},
): Promise<ReadDirectory> {
  const order: ReadOrder = { directory, known };
  // What cannot be read is not to be tried again before it is another.
  const signature = await signatureOf(directory);
  const thread = new Worker(new URL('./reader_thread.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: mib, maxYoungGenerationSizeMb: 32 },
  });
  try {
    const ending = AbortSignal.any([AbortSignal.timeout(ms), ...(signal === undefined ? [] : [signal])]);
    const ended = once(thread, 'exit', { signal: ending }).then(() => {
      throw new Error('the thread that reads ended');
    });
    const [answer] = (await Promise.race([once(thread, 'message', { signal: ending }), ended])) as [ReadDirectory];
    return answer;
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    const tooLarge = code === 'ERR_WORKER_OUT_OF_MEMORY';
    const tooSlow = name === 'AbortError';
    const why = tooLarge ? `more than ${mib} MiB of memory` : tooSlow ? `more than ${ms / 1000} s` : message;
    const reason = tooLarge ? 'TooLarge' : tooSlow ? 'TooSlow' : 'Unreadable';
    return { files: [], refusal: { reason, message: `the directory cannot be read (${why})` }, signature };
  } finally {
    await thread.terminate();
  }
}
