/** How much memory V8 takes. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Keeps the young generation at the megabyte that it begins with, whatever this process allocates; V8 would let it grow
 * to 64 MB and keep them. The data path makes no objects; what is made beside it dies just as young in a megabyte.
 * And lets the old generation grow by a fifth before it is collected, where V8 would let a small heap double or more.
 * To be called before anything is imported that makes many objects. `--max-semi-space-size` and
 * `--heap-growing-percent` do the same, but only on the command line of whoever starts the process.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=20');
}

/**
 * Collects all garbage, some 50 ms: after a start, what starting left. V8 does not know what lives on before its first
 * such collection, and lets the heap grow by some 50 MB until then.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
