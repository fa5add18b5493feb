/** Walks over the kernel's objects, on threads of libuv's pool, so that this thread can drain what they write. */
import { close, read } from 'node:fs';
import { promisify } from 'node:util';
import type { BpfObject, Link } from '../../native/addon.ts';

const readSome = promisify(read);
const closeFile = promisify(close);
/** The kernel rests after a million objects that printed nothing, and goes on with the next read. */
const AGAIN = new Set(['EAGAIN', 'EINTR']);
/** Half of what the kernel keeps for the output: were that filled, an object would be walked over twice. */
const MOST_BYTES = 16 * 1024;

/** A walk that writes more than a ring holds is taken in steps, with time to empty it between them. */
export interface WalkSteps {
  /** How much the program prints in a step; at most 16 KiB, the default. */
  readonly bytes?: number;
  /** Awaited after each step. */
  readonly between?: () => Promise<void>;
}

/**
 * Walks an iterator to its end. Objects that come or go between two steps may be left out or met twice. The link may be
 * closed meanwhile.
 * @returns bytes that the program has printed
 * @throws NativeError if it cannot begin, or the system's error if the kernel breaks it off
 */
export async function walk(
  object: BpfObject,
  link: Link,
  { bytes = MOST_BYTES, between }: WalkSteps = {},
): Promise<number> {
  const descriptor = object.openIterator(link);
  const printed = Buffer.alloc(Math.min(bytes, MOST_BYTES));
  try {
    for (let total = 0; ; ) {
      const { bytesRead } = await readSome(descriptor, printed, 0, printed.length, null).catch(
        (error: NodeJS.ErrnoException) => {
          if (AGAIN.has(error.code ?? '')) return { bytesRead: -1 };
          throw error;
        },
      );
      if (bytesRead === 0) return total;
      if (bytesRead < 0) continue;
      total += bytesRead;
      await between?.();
    }
  } finally {
    await closeFile(descriptor);
  }
}
