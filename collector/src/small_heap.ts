/** How much memory V8 takes for what lives shortly. */
import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the young generation at the megabyte that it begins with, whatever this process allocates; V8 would let it grow
 * to 64 MB and keep them. The data path makes no objects; what is made beside it dies just as young in a megabyte.
 * To be called before anything is imported that makes many. `--max-semi-space-size` does the same, but only on the
 * command line of whoever starts the process.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
