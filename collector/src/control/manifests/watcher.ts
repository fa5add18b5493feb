/**
 * Notices when a directory of manifests is another than before: by inotify at once, and by looking now and then, which
 * also sees what inotify does not: what a link leads to, and a directory that comes back.
 */
import { type FSWatcher, watch } from 'node:fs';
import { signatureOf } from './directory.ts';

export interface WatcherTiming {
  /** What was written last must be this old, milliseconds: an editor may be in the middle of it. */
  readonly quietMs: number;
  /** Between looks, milliseconds. */
  readonly lookMs: number;
}

export const WATCHER_TIMING: WatcherTiming = { quietMs: 200, lookMs: 5000 };

export interface WatcherOptions {
  readonly directory: string;
  readonly timing: WatcherTiming;
  /**
   * Called when the directory is quiet and another than before; not again before it is resolved.
   * @returns the signature of what was read; undefined if it is to be read again
   */
  readonly read: () => Promise<string | undefined>;
}

/** Watches until it is closed. */
export class DirectoryWatcher {
  readonly #options: WatcherOptions;
  /** Of what was read last. */
  #signature = '';
  #inotify: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the next look is due, of performance.now(). */
  #dueMs = 0;
  #isLooking = false;
  /** Something happened while it looked. */
  #isNoticed = false;
  #isClosed = false;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** What is there by then is read once more when it is quiet. */
  start(): void {
    this.#watch();
    this.#later(this.#options.timing.lookMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#inotify?.close();
  }

  #watch(): void {
    this.#inotify?.close();
    try {
      this.#inotify = watch(this.#options.directory, { persistent: false }, () => this.#noticed());
      this.#inotify.on('error', () => undefined);
    } catch {
      // It is not there, or too much is watched already: then looking has to do.
      this.#inotify = undefined;
    }
  }

  readonly #noticed = (): void => {
    this.#isNoticed = true;
    const { quietMs } = this.#options.timing;
    // Not put off by what happens meanwhile, which may be to other files: whether all is quiet is looked at then.
    if (!this.#isLooking && this.#dueMs > performance.now() + quietMs) this.#later(quietMs);
  };

  #later(ms: number): void {
    clearTimeout(this.#timer);
    this.#dueMs = performance.now() + ms;
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const { quietMs, lookMs } = this.#options.timing;
    this.#isLooking = true;
    this.#isNoticed = false;
    const isSettled = await this.#readIfChanged();
    this.#isLooking = false;
    this.#later(isSettled && !this.#isNoticed ? lookMs : quietMs);
  }

  /** @returns whether what is there has been read */
  async #readIfChanged(): Promise<boolean> {
    const { directory, read, timing } = this.#options;
    const now = await signatureOf(directory);
    if (now === this.#signature) return true;
    // It may be another directory under the same name.
    if (!this.#isClosed) this.#watch();
    await new Promise((resolve) => setTimeout(resolve, timing.quietMs).unref());
    if (this.#isClosed || (await signatureOf(directory)) !== now) return false;
    const signature = await read();
    if (signature !== undefined) this.#signature = signature;
    return signature !== undefined;
  }
}
