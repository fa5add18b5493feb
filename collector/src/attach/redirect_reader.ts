/** The program that reads what the data plane redirects past TCP: which object has it, and where it is put. */
import { dirname, join } from 'node:path';
import { type BpfObject, type Handle, openKernelTypes } from '../../native/addon.ts';

/** Called by the reader; Debian's 6.1 lacks it, and nobody is redirected there. */
const NEEDED = 'bpf_cast_to_kern_ctx';

/** Which object to load; why it is not the one with the reader, empty if it is. */
export interface ReaderObject {
  readonly objectPath: string;
  readonly reason: string;
}

/** @param objectPath the object without the reader, beside which the other one is */
export function objectWithReader(objectPath: string): ReaderObject {
  const types = openKernelTypes();
  const reason = types.has('func', NEEDED) ? '' : `this kernel has no function ${NEEDED}`;
  types.close();
  return { objectPath: reason === '' ? join(dirname(objectPath), 'flowspan_redirect.bpf.o') : objectPath, reason };
}

/** Puts it where the data plane calls it. It would outlive the object there: the array is pinned. */
export function attachReader(object: BpfObject, program: string): Handle {
  const readers = object.map('redirect_readers');
  readers.setProgram(0, object, program);
  let isThere = true;
  return {
    close() {
      if (!isThere) return;
      isThere = false;
      readers.delete(Buffer.alloc(4));
      readers.close();
    },
  };
}
