/** The disk under the spool: whether it takes writes, and when what was written is brought to it. */
import { open } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { SegmentFile } from './segment_file.ts';

/** Time in which a disk that failed is left alone. */
const AGAIN_MS = 1000;
/** A disk that keeps failing is told now and then. */
const BETWEEN_COMPLAINTS_MS = 60_000;

const NEXT_STEP = 'free or mend the disk of data_dir; until then rows wait in memory, and beyond it they are lost';

export interface SpoolDiskOptions {
  /** Longest time from a write to the beginning of its sync. */
  readonly syncMs: number;
  readonly log: Logger;
  /** Called when it takes writes again. */
  readonly back: () => void;
}

const NOT_SYNCED = 'cannot sync the spool: mend the disk of data_dir; until then a power cut may take what waits there';

/** State of the disk of one spool. */
export class SpoolDisk {
  readonly #options: SpoolDiskOptions;
  readonly #unsynced = new Map<string, SegmentFile>();
  #timer: NodeJS.Timeout | undefined;
  #error: string | undefined;
  #syncError: string | undefined;
  #againMs = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Whether it was told that it fails, and not yet that it works again. */
  #isTold = false;

  constructor(options: SpoolDiskOptions) {
    this.#options = options;
  }

  /** What it failed with last; undefined while it works. */
  get error(): string | undefined {
    return this.#error ?? this.#syncError;
  }

  /** Whether it is worth a try. */
  get usable(): boolean {
    return this.#error === undefined || performance.now() >= this.#againMs;
  }

  failed(error: unknown, what: string): void {
    this.#error = messageOf(error);
    this.#againMs = performance.now() + AGAIN_MS;
    this.#complain(error, `cannot ${what} the spool: ${NEXT_STEP}`);
  }

  /** Something was written. */
  worked(): void {
    if (this.#error === undefined) return;
    this.#error = undefined;
    if (this.#isTold) this.#options.log.info('the spool can be written again');
    this.#isTold = false;
    this.#options.back();
  }

  /** A file has changed: it is synced within the time, unless it is gone by then. */
  changed(file: SegmentFile): void {
    this.#unsynced.set(file.name, file);
    this.#timer ??= setTimeout(() => void this.sync(), this.#options.syncMs).unref();
  }

  /** A segment was removed: nothing of it need be synced. */
  async gone(name: string): Promise<void> {
    const file = this.#unsynced.get(name);
    this.#unsynced.delete(name);
    await file?.close();
  }

  /** Brings all that was written to the disk: files first, then their names. */
  async sync(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const files = [...this.#unsynced.values()];
    this.#unsynced.clear();
    const directories = new Set(files.map(({ directory }) => directory));
    const all = [
      ...files.map((file) => () => file.sync()),
      ...[...directories].map((path) => () => syncDirectory(path)),
    ];
    let failure: unknown;
    for (const sync of all) {
      await sync().catch((error) => {
        failure = error;
      });
    }
    if (all.length === 0) return;
    this.#syncError = failure === undefined ? undefined : messageOf(failure);
    if (failure !== undefined) this.#complain(failure, NOT_SYNCED);
  }

  #complain(error: unknown, message: string): void {
    const now = performance.now();
    if (now - this.#toldMs < BETWEEN_COMPLAINTS_MS) return;
    this.#toldMs = now;
    this.#isTold = true;
    this.#options.log.error({ err: error, code: 'FLOW_DELIVER_SPOOL' }, message);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
