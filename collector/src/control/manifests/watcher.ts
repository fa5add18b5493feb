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
  #isLooking = false;
  #isClosed = false;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** @param signature of what has been read */
  start(signature: string): void {
    this.#signature = signature;
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
    if (!this.#isLooking) this.#later(this.#options.timing.quietMs);
  };

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const { directory, read, timing } = this.#options;
    this.#isLooking = true;
    const now = await signatureOf(directory);
    let isSettled = now === this.#signature;
    if (!isSettled && !this.#isClosed) {
      await new Promise((resolve) => setTimeout(resolve, timing.quietMs).unref());
      if (!this.#isClosed && (await signatureOf(directory)) === now) {
        const signature = await read();
        isSettled = signature !== undefined && signature === (await signatureOf(directory));
        if (signature !== undefined) this.#signature = signature;
      }
    }
    this.#isLooking = false;
    if (this.#isClosed) return;
    // The directory may be another one under the same name.
    if (!isSettled || this.#inotify === undefined) this.#watch();
    this.#later(isSettled ? timing.lookMs : timing.quietMs);
  }
}
