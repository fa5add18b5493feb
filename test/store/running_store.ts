/** A store of its own for a test: in a child process, so that it can also be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import type { NodeClickHouseClientConfigOptions } from '@clickhouse/client/dist/config.js';
import { residentBytes } from '../support/resident.ts';

/** Tests run beside others on a busy machine; those of limits name their own. */
const PATIENT = ['--store-max-execution-s', '30'];

const RUNNER = join(import.meta.dirname, 'run_store.ts');

/** The store process and its data directory. */
export class RunningStore {
  readonly dataDir: string;
  readonly #flags: readonly string[];
  readonly #clients: ClickHouseClient[] = [];
  #child: ChildProcess | undefined;
  /** http://127.0.0.1:port */
  url = '';
  /** What it logged. */
  log = '';

  private constructor(dataDir: string, flags: readonly string[]) {
    this.dataDir = dataDir;
    this.#flags = flags;
  }

  /**
   * Starts a store on a free port.
   * @param flags more command line flags
   */
  static async start(flags: readonly string[] = []): Promise<RunningStore> {
    const store = new RunningStore(mkdtempSync(join(tmpdir(), 'flowspan-store-')), flags);
    try {
      await store.restart();
    } catch (cause) {
      rmSync(store.dataDir, { recursive: true, force: true });
      throw cause;
    }
    return store;
  }

  /** Starts the process again on the same data. */
  async restart(): Promise<void> {
    this.log = '';
    const flags = this.#flags.includes(PATIENT[0]!) ? this.#flags : [...PATIENT, ...this.#flags];
    const child = spawn(
      process.execPath,
      [RUNNER, '--data-dir', this.dataDir, '--store-listen', '127.0.0.1:0', ...flags],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    const listening = new Promise<string>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        this.log += chunk;
        const listen = /"listen":"([^"]+)"/.exec(this.log)?.[1];
        if (listen !== undefined) resolve(listen);
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.once('exit', (code) => reject(new Error(`store ended with ${code}:\n${this.log}`)));
    });
    this.url = `http://${await listening}`;
  }

  /** A client of the account that writes. */
  writer(options: NodeClickHouseClientConfigOptions = {}): ClickHouseClient {
    const path = join(this.dataDir, 'writer_password');
    const password = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
    return this.#keep(createClient({ url: this.url, username: 'collector', password, ...options }));
  }

  /** A client of the account that reads. */
  reader(options: NodeClickHouseClientConfigOptions = {}): ClickHouseClient {
    return this.#keep(createClient({ url: this.url, ...options }));
  }

  /** Sends a signal and waits for the end; returns the exit code, null if the signal ended it. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }

  /** Resident memory of the process, bytes. */
  residentBytes(): number {
    return residentBytes(this.#child!.pid!);
  }

  /** Ends the process and removes its data. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.kill('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #keep(client: ClickHouseClient): ClickHouseClient {
    this.#clients.push(client);
    return client;
  }
}
