/** Kubernetes objects from a directory of files, followed as it changes. */
import type { Logger } from 'pino';
import { FlowspanError } from '../../../../store/errors.ts';
import { Followers } from '../objects/followers.ts';
import { KINDS, type KindName } from '../objects/kinds.ts';
import { type ObjectFollower, type ObjectSource, titleOf } from '../objects/source.ts';
import { type ReadDirectory, signatureOf } from './directory.ts';
import type { LastGood } from './last_good.ts';
import { type ManifestCondition, type Manifests, type Merged, merge, NOTHING } from './merge.ts';
import { readInThread } from './reader.ts';
import { DirectoryWatcher, WATCHER_TIMING, type WatcherTiming } from './watcher.ts';

export interface ManifestSourceOptions {
  readonly directory: string;
  readonly lastGood: Pick<LastGood, 'read' | 'write'>;
  readonly log: Logger;
  readonly timing?: Partial<WatcherTiming>;
  /** As `readDirectory`. Default: in a thread of its own. */
  readonly read?: (
    directory: string,
    known: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ) => Promise<ReadDirectory>;
  /** Wall-clock time, milliseconds since the epoch. */
  readonly nowMs?: () => number;
}

/** How the directory stands. */
export interface ManifestStatus {
  readonly directory: string;
  /** Those that could be read. */
  readonly files: number;
  /** Objects in use, by kind. */
  readonly objects: ReadonlyMap<string, number>;
  /** Files and objects that are not in use as they are written now. */
  readonly refused: number;
  /** How often it was read. */
  readonly reads: number;
  /** When it was found to be as it is in use, milliseconds since the epoch; 0 while a file or object is refused since the start. */
  readonly lastSoundMs: number;
}

/** Once this many are refused, the log only counts the others. */
const MOST_LOGGED = 20;

/** One directory. */
export class ManifestSource implements ObjectSource {
  readonly #options: ManifestSourceOptions;
  readonly #followers: Followers;
  readonly #watcher: DirectoryWatcher;
  readonly #closing = new AbortController();
  readonly #nowMs: () => number;
  #manifests: Manifests = NOTHING;
  /** Conditions as text, of what was logged. */
  #logged: ReadonlySet<string> = new Set();
  #reads = 0;
  #lastSoundMs = 0;
  /** All there is has been told once. */
  isComplete = false;

  constructor(options: ManifestSourceOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#followers = new Followers(options.log);
    const timing = { ...WATCHER_TIMING, ...options.timing };
    this.#watcher = new DirectoryWatcher({ directory: options.directory, timing, read: () => this.#read() });
  }

  follow(kinds: readonly KindName[], follower: ObjectFollower): void {
    this.#followers.follow(kinds, follower);
  }

  /**
   * Reads the directory, tells all there is, and goes on watching it.
   * @throws FlowspanError FLOW_MANIFESTS_DIRECTORY if it cannot be read and nothing is known of it from an earlier run
   */
  async start(): Promise<void> {
    const { directory, lastGood, log } = this.#options;
    this.#manifests = lastGood.read((id, object) => this.#followers.check(id, object));
    const read = await this.#readOnce();
    if (read.refusal !== undefined && this.#manifests.inUse.size === 0) {
      const message = `${directory}: ${read.refusal.message}; set manifests to a directory that this user may read`;
      throw new FlowspanError('FLOW_MANIFESTS_DIRECTORY', message);
    }
    this.#merge(read);
    // What an earlier run took is new to everybody.
    for (const { id, object } of this.#manifests.inUse.values()) this.#followers.take(id, object);
    this.#followers.complete(...KINDS.map(({ kind }) => kind));
    this.#followers.settle();
    this.isComplete = true;
    log.info(
      { directory, files: this.#manifests.files.size, objects: this.#manifests.inUse.size },
      'manifests are read',
    );
    // It reads once more: what was written while it was read may bear the same time.
    this.#watcher.start();
  }

  close(): void {
    this.#closing.abort();
    this.#watcher.close();
  }

  conditions(): readonly ManifestCondition[] {
    return this.#manifests.conditions;
  }

  status(): ManifestStatus {
    const { inUse, files, conditions } = this.#manifests;
    const objects = new Map<string, number>();
    for (const { id } of inUse.values()) objects.set(id.kind, (objects.get(id.kind) ?? 0) + 1);
    return {
      directory: this.#options.directory,
      files: [...files.values()].filter(({ objects }) => objects !== undefined).length,
      objects,
      refused: conditions.filter(({ accepted }) => !accepted).length,
      reads: this.#reads,
      lastSoundMs: this.#lastSoundMs,
    };
  }

  async #read(): Promise<string | undefined> {
    const { directory } = this.#options;
    const read = await this.#readOnce();
    // Half of what somebody is writing must not count.
    if ((await signatureOf(directory)) !== read.signature || this.#closing.signal.aborted) return undefined;
    const { gone, taken } = this.#merge(read);
    for (const { id, object } of gone) this.#followers.delete(id, object);
    for (const { id, object } of taken) this.#followers.take(id, object);
    this.#followers.settle();
    return read.signature;
  }

  async #readOnce(): Promise<ReadDirectory> {
    const { directory, read = readInThread } = this.#options;
    const known = new Map([...this.#manifests.files].map(([name, { digest }]) => [name, digest]));
    this.#reads += 1;
    return await read(directory, known, this.#closing.signal);
  }

  #merge(read: ReadDirectory): Merged {
    const { directory, lastGood, log } = this.#options;
    const merged = merge(directory, this.#manifests, read, (id, object) => this.#followers.check(id, object));
    this.#manifests = merged;
    if (merged.gone.length + merged.taken.length > 0) {
      log.info({ taken: merged.taken.length, gone: merged.gone.length }, 'manifests have changed');
    }
    lastGood.write(merged);
    if (merged.conditions.every(({ accepted }) => accepted)) this.#lastSoundMs = this.#nowMs();
    this.#logRefusals();
    return merged;
  }

  /** Each once, when it begins. */
  #logRefusals(): void {
    const refused = this.#manifests.conditions.filter(({ accepted }) => !accepted);
    const fresh = refused.filter((condition) => !this.#logged.has(JSON.stringify(condition)));
    for (const condition of fresh.slice(0, MOST_LOGGED)) {
      const { file, reason, message } = condition;
      this.#options.log.warn({ code: 'FLOW_MANIFESTS_REFUSED', file, reason }, `${titleOf(condition)}: ${message}`);
    }
    if (fresh.length > MOST_LOGGED) {
      this.#options.log.warn(
        { code: 'FLOW_MANIFESTS_REFUSED', refused: refused.length },
        'more are refused: see GET /status',
      );
    }
    if (refused.length === 0 && this.#logged.size > 0) this.#options.log.info('all manifests are accepted again');
    this.#logged = new Set(refused.map((condition) => JSON.stringify(condition)));
  }
}
