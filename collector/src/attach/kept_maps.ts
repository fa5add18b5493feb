/**
 * Maps that outlive a run of the collector, kept by name in the BPF filesystem: what is known of each open connection,
 * and of UDP flows. Programs are never kept: without a collector the kernel does nothing for Flowspan.
 *
 *     <pin_dir>/<hash of the data directory>/<hash of what the maps' values are>/{sockets,udp_flows,rows_in_files}
 *
 * A collector takes up maps whose values are laid out as its own; it removes all others of its data directory, so that an
 * upgrade, or the way back from one, begins anew. A boot ends them all.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { type BpfMap, type BpfObject, isNativeError } from '../../native/addon.ts';
import { trueName } from '../data_dir.ts';

const MAPS = ['sockets', 'udp_flows', 'rows_in_files'] as const;

/** Of `layout` and `directory` names: as many hexadecimal digits of a SHA-256. */
const DIGITS = 16;

/** Keys of `rows_in_files`. */
const [UNTIL, OFFSET] = [Buffer.from([0, 0, 0, 0]), Buffer.from([1, 0, 0, 0])];

function nanoseconds(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, DIGITS);

/** Where the maps of the collector with this data directory are. */
function directoryOf(pinDir: string, dataDir: string): string {
  return join(pinDir, hashOf(trueName(dataDir)));
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Removes a directory of names in the BPF filesystem; maps that nobody uses any more go with it. */
function remove(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name));
  rmdirSync(directory);
}

function subdirectories(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** What became of the maps of an earlier run. */
export type KeptState =
  /** The configuration asks for none. */
  | 'off'
  /** There were none: connections are counted from now on. */
  | 'new'
  /** Those of an earlier run were taken up: counters go on where its rows ended. */
  | 'resumed'
  /** Those of an earlier run were laid out otherwise, and were removed: connections are counted from now on. */
  | 'replaced'
  /** This machine lets us keep none. */
  | 'impossible';

/** What became of them, and why it is impossible; the reason is empty if it is not. */
export interface Kept {
  readonly state: KeptState;
  readonly reason: string;
}

/** Says what became of the counters of an earlier run. */
export function tellKept({ state, reason }: Kept, log: Logger): void {
  if (state === 'resumed') log.info('the counters of open connections go on where the last run ended');
  else if (state === 'replaced') log.info('the last run kept counters in another layout: they were removed');
  else if (state === 'impossible') log.warn({ reason }, 'counters of open connections will not outlive this run');
}

/** Takes up maps of an earlier run, and leaves them to the next. One load only. */
export class KeptMaps {
  readonly #directory: string;
  #layout = '';
  #reused = 0;
  #removed = 0;
  #state: KeptState = 'new';
  #reason = '';
  #inFiles: BpfMap | undefined;
  /** What `newestFlowInFiles` found; before the maps are kept. */
  newestRowNs: bigint | undefined;

  /**
   * @param pinDir directory in a BPF filesystem; it is made if it is not there, its parents are not
   * @param dataDir data directory of this collector
   * @param newestRowNs what `newestFlowInFiles` found
   */
  constructor(pinDir: string, dataDir: string, newestRowNs?: bigint) {
    this.#directory = directoryOf(pinDir, dataDir);
    this.newestRowNs = newestRowNs;
  }

  get state(): KeptState {
    return this.#state;
  }

  /** Why it is impossible; empty if it is not. */
  get reason(): string {
    return this.#reason;
  }

  /** Before each attempt to load `object`. */
  reuse(object: BpfObject): void {
    this.#layout = hashOf(MAPS.map((name) => object.mapLayout(name)).join('\n'));
    this.#reused = 0;
    try {
      for (const name of subdirectories(this.#directory)) {
        const whole = subdirectories(join(this.#directory, name)).length === MAPS.length;
        if (name === this.#layout && whole) continue;
        remove(join(this.#directory, name));
        this.#removed += 1;
      }
      for (const name of MAPS) if (object.reuseMap(name, join(this.#directory, this.#layout, name))) this.#reused += 1;
    } catch (error) {
      this.#impossible(error);
    }
  }

  /**
   * After the load.
   * @returns whether the maps hold what an earlier run left
   */
  keep(object: BpfObject): boolean {
    this.#inFiles = object.map('rows_in_files');
    if (this.#state === 'impossible') return false;
    if (this.#reused === MAPS.length) {
      this.#state = 'resumed';
      this.#noteUnseen();
      return true;
    }
    const directory = join(this.#directory, this.#layout);
    try {
      // One by one: Node's `recursive` never ends where a filesystem such as /proc refuses with ENOENT.
      for (const each of [dirname(this.#directory), this.#directory, directory]) makeDirectory(each);
      for (const name of MAPS) object.pinMap(name, join(directory, name));
      this.#state = this.#removed > 0 ? 'replaced' : 'new';
    } catch (error) {
      this.#impossible(error);
      rmSync(directory, { recursive: true, force: true });
    }
    return false;
  }

  /**
   * Flow records until then, boot clock, are rows in a file: should this process be killed, they are not lost.
   * @param wallMinusBootNs by which rows are dated
   */
  setInFiles(bootNs: bigint, wallMinusBootNs: bigint): void {
    this.#inFiles?.update(UNTIL, nanoseconds(bootNs));
    this.#inFiles?.update(OFFSET, nanoseconds(wallMinusBootNs));
  }

  /** The last run may have been killed between a write and the news of it. */
  #noteUnseen(): void {
    const until = this.#inFiles?.lookup(UNTIL)?.readBigUInt64LE() ?? 0n;
    const offset = this.#inFiles?.lookup(OFFSET)?.readBigUInt64LE() ?? 0n;
    // Without an offset nothing was ever noted.
    const newest = offset === 0n ? 0n : (this.newestRowNs ?? 0n) - offset;
    if (newest > until) this.setInFiles(newest, offset);
  }

  #impossible(error: unknown): void {
    this.#state = 'impossible';
    this.#reason = isNativeError(error) ? `${error.message}. ${error.nextStep}` : String((error as Error).message);
  }
}

/**
 * Removes the maps that the collector with this data directory has kept; it must not be running.
 * @returns how many directories of maps there were
 */
export function removeKeptMaps(pinDir: string, dataDir: string): number {
  const directory = directoryOf(pinDir, dataDir);
  const layouts = subdirectories(directory);
  for (const name of layouts) remove(join(directory, name));
  if (layouts.length > 0) rmdirSync(directory);
  return layouts.length;
}
