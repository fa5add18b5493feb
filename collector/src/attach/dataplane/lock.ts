/** One collector of a machine has the data plane at a time; its directory of pins says which one it is. */
import { FlowspanError } from '../../../../store/errors.ts';
import { trueName } from '../../data_dir.ts';
import { type HeldName, holderOf, holdName } from '../../held_name.ts';

const KIND = 'dataplane';
/** A holder may end while it is asked, and one that is busy answers late. */
const TRIES = 10;

/** Who has it. */
export interface DataplaneHolder {
  readonly pid: number;
  /** Flowspan's version. */
  readonly release: string;
  /** RFC 3339. */
  readonly since: string;
}

/** Somebody else has it. */
export interface Taken {
  readonly holder: DataplaneHolder;
  /** Resolved when it is gone. */
  readonly gone: Promise<void>;
  /** Waits no longer. */
  close(): void;
}

/**
 * Takes the data plane of a directory of pins.
 * @returns who has it, if it is another
 * @throws FlowspanError FLOW_DATAPLANE_HELD if who has it says nothing that is understood
 */
export async function takeDataplane(pinDir: string, release: string): Promise<HeldName | Taken> {
  const key = trueName(pinDir);
  const words = JSON.stringify({
    pid: process.pid,
    release,
    since: new Date().toISOString(),
  } satisfies DataplaneHolder);
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      return await holdName(KIND, key, words);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
    const taken = await whoHas(pinDir);
    if (taken !== undefined) return taken;
  }
  throw heldBySomebody(pinDir);
}

/**
 * Asks who has the data plane of a directory of pins; undefined if nobody has.
 * @throws FlowspanError FLOW_DATAPLANE_HELD if who has it says nothing that is understood
 */
export async function whoHas(pinDir: string): Promise<Taken | undefined> {
  const asked = await holderOf(KIND, trueName(pinDir));
  if (asked === undefined) return undefined;
  try {
    return { ...asked, holder: readHolder(asked.words) };
  } catch (cause) {
    asked.close();
    throw heldBySomebody(pinDir, cause);
  }
}

function heldBySomebody(pinDir: string, cause?: unknown): FlowspanError {
  const message = `somebody unknown has the data plane of ${pinDir}: stop it, or set collector.pin_dir to another directory`;
  return new FlowspanError('FLOW_DATAPLANE_HELD', message, { cause });
}

/** For people. */
export function describeHolder({ pid, release, since }: DataplaneHolder): string {
  return `process ${pid}, Flowspan ${release}, since ${since}`;
}

/** Anybody may take a name and say anything. */
function readHolder(words: string): DataplaneHolder {
  const { pid, release, since } = JSON.parse(words) as Partial<Record<keyof DataplaneHolder, unknown>>;
  if (!Number.isInteger(pid) || typeof release !== 'string' || typeof since !== 'string') throw new Error(words);
  return { pid: pid as number, release, since };
}
