/**
 * Compiles policies in a thread of its own: a thousand of them over ten thousand pods take a second, in which the rings
 * are read on.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { FlowspanError } from '../../../../store/errors.ts';
import type { CompileAnswer, CompileOrder } from './compiler_thread.ts';

export type { CompileAnswer, CompileOrder };

/** Memory of the thread, MiB, and time for one set of tables, milliseconds: beyond, it is given up. */
const MOST_MIB = 1024;
const MOST_MS = 60_000;

/** One thread, which is begun with the first order. */
export class PolicyCompiler {
  /** All objects there are, for a thread that takes another's place. */
  readonly #objects = new Map<string, unknown>();
  #changes: (readonly [key: string, object: unknown])[] = [];
  #thread: Worker | undefined;

  /** @param object a pod, namespace or node; undefined: it is gone */
  change(key: string, object: unknown): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#changes.push([key, object]);
  }

  /**
   * Compiles what was told so far; one at a time.
   * @throws FlowspanError FLOW_POLICY_COMPILE; what was in force should stay so
   */
  async compile(order: Omit<CompileOrder, 'changes'>): Promise<CompileAnswer> {
    const isFresh = this.#thread === undefined;
    this.#thread ??= this.#begin();
    const changes = isFresh ? [...this.#objects] : this.#changes;
    this.#changes = [];
    const thread = this.#thread;
    const over = new AbortController();
    try {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(MOST_MS)]);
      const ended = once(thread, 'exit', { signal }).then(() => {
        throw new Error('its thread ended');
      });
      thread.postMessage({ ...order, changes } satisfies CompileOrder);
      const [answer] = (await Promise.race([once(thread, 'message', { signal }), ended])) as [CompileAnswer];
      return answer;
    } catch (error) {
      await this.close();
      const { code, name, message } = error as NodeJS.ErrnoException;
      const tooLarge = code === 'ERR_WORKER_OUT_OF_MEMORY' ? `more than ${MOST_MIB} MiB of memory` : undefined;
      const why = tooLarge ?? (name === 'AbortError' ? `more than ${MOST_MS / 1000} s` : message);
      throw new FlowspanError(
        'FLOW_POLICY_COMPILE',
        `the policies cannot be compiled (${why}), those before stay in force: use fewer policies or pods`,
        { cause: error },
      );
    } finally {
      over.abort();
    }
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }

  #begin(): Worker {
    const thread = new Worker(new URL('./compiler_thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MOST_MIB },
    });
    // Its errors are those of the order that it works on.
    thread.on('error', () => undefined);
    thread.unref();
    return thread;
  }
}
