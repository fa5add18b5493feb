/** Walks over the kernel's objects that write more than a ring holds: in steps, with time to empty it between them. */
import { close, read } from 'node:fs';
import { promisify } from 'node:util';
import type { BpfObject, Link } from '../../native/addon.ts';

const readSome = promisify(read);
const closeFile = promisify(close);
/** The kernel rests after a million objects that printed nothing, and goes on with the next read. */
const AGAIN = new Set(['EAGAIN', 'EINTR']);

/**
 * Walks an iterator to its end, on threads of libuv's pool. Objects that come or go between two steps may be left out or
 * met twice.
 * @param bytes how much the program prints in a step
 * @param between awaited after each step
 * @throws NativeError if it cannot begin, or the system's error if the kernel breaks it off
 */
export async function walkInSteps(
  object: BpfObject,
  link: Link,
  bytes: number,
  between: () => Promise<void>,
): Promise<void> {
  const descriptor = object.openIterator(link);
  const printed = Buffer.alloc(bytes);
  try {
    for (;;) {
      const { bytesRead } = await readSome(descriptor, printed, 0, bytes, null).catch(
        (error: NodeJS.ErrnoException) => {
          if (AGAIN.has(error.code ?? '')) return { bytesRead: -1 };
          throw error;
        },
      );
      if (bytesRead === 0) return;
      if (bytesRead > 0) await between();
    }
  } finally {
    await closeFile(descriptor);
  }
}
