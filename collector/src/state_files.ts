/** What one run of the collector tells the next: until when it watched, and since when endpoints hold. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';

const WATCHED = 'watched.json';
const ENDPOINTS = 'endpoints.json';
const MACHINE = 'machine-id';
const NOT_KEPT =
  'cannot write data_dir: free or mend its disk; until then a restart cannot tell how long nobody watched';

/**
 * The files in a data directory. What is missing or spoilt counts as never written; what the disk does not take is told
 * once until it takes something again: the next run only knows less.
 */
export class StateFiles {
  readonly #directory: string;
  readonly #log: Pick<Logger, 'warn'>;
  #isFailing = false;

  constructor(directory: string, log: Pick<Logger, 'warn'>) {
    this.#directory = directory;
    this.#log = log;
  }

  /** When an earlier run watched last, nanoseconds since the epoch. */
  watchedUntil(): bigint | undefined {
    const value = this.#read(WATCHED);
    return typeof value === 'string' && /^\d+$/.test(value) ? BigInt(value) : undefined;
  }

  setWatchedUntil(timeNs: bigint): void {
    this.#write(WATCHED, timeNs.toString());
  }

  /** Since when each endpoint holds, by id; empty after a reboot, which ends cgroups and processes. */
  endpoints(bootId: string): Map<bigint, bigint> {
    const value = this.#read(ENDPOINTS) as { boot_id?: unknown; valid_from?: unknown } | undefined;
    if (value?.boot_id !== bootId || typeof value.valid_from !== 'object' || value.valid_from === null)
      return new Map();
    const entries = Object.entries(value.valid_from).filter(
      ([id, time]) => /^\d+$/.test(id) && /^\d+$/.test(String(time)),
    );
    return new Map(entries.map(([id, time]) => [BigInt(id), BigInt(String(time))]));
  }

  setEndpoints(bootId: string, validFrom: ReadonlyMap<bigint, bigint>): void {
    const entries = [...validFrom].map(([id, time]) => [id.toString(), time.toString()]);
    this.#write(ENDPOINTS, { boot_id: bootId, valid_from: Object.fromEntries(entries) });
  }

  /** An id of this machine where the system has none; the same from the first call on. */
  machineId(): string {
    const known = this.#read(MACHINE);
    if (typeof known === 'string' && /^[0-9a-f]{32}$/.test(known)) return known;
    const made = randomBytes(16).toString('hex');
    this.#write(MACHINE, made);
    return made;
  }

  #read(name: string): unknown {
    try {
      return JSON.parse(readFileSync(join(this.#directory, name), 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** Whole or not at all. */
  #write(name: string, value: unknown): void {
    const path = join(this.#directory, name);
    try {
      mkdirSync(this.#directory, { recursive: true });
      writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
      renameSync(`${path}.new`, path);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#log.warn({ err: error, code: 'FLOW_COLLECTOR_STATE' }, NOT_KEPT);
      this.#isFailing = true;
    }
  }
}
