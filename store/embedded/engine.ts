/**
 * chDB as this process's engine: one data directory, a fresh session per query (0.2 ms), so that settings, database
 * and parameters of one query never reach another.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drainPending, Session } from 'chdb';
import { quoteName, quoteText } from '../ddl.ts';
import { EngineError } from './engine_error.ts';
import { type AskersShare, QUEUE_LENGTH, Slots } from './slots.ts';

/** What the engine may take of the machine. */
export interface EngineLimits {
  /** Readers' queries at once. */
  readonly readers: number;
  /** What one of those who read may take of them. */
  readonly readersShare?: AskersShare;
  /** Writers' statements at once, beside them. */
  readonly writers: number;
  /** Bytes of memory over all queries, caches included. */
  readonly memoryBytes: number;
}

/** Who a query runs for: readers and writers wait in queues of their own, the store's own upkeep in none. */
export type Role = 'reader' | 'writer' | 'upkeep';

/** One statement with everything it needs. */
export interface Job {
  readonly sql: string;
  readonly role: Role;
  /** Database that unqualified names are looked up in. */
  readonly database?: string | undefined;
  readonly settings?: Readonly<Record<string, string>>;
  /** Values of {name:Type}, as they stand in the URL (ClickHouse's escaped text form). */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Output format where the statement names none. */
  readonly format?: string;
  /** Cancels the query in the engine. */
  readonly signal?: AbortSignal;
  /** Given by `enter`; without it the job enters by itself. */
  readonly leave?: () => void;
  /** Told when the engine has let go of the job, which may be later than its outcome is told. */
  readonly ended?: () => void;
}

/** What came of it. */
export interface Outcome {
  /** What the statement printed, if it did not print into a file. */
  readonly bytes: Uint8Array;
  /** Rows of the result, or rows inserted. The engine does not tell how many it looked at. */
  readonly rows: number;
  readonly rowBytes: number;
  readonly elapsedNs: number;
}

const KILL_TAG = 'log_comment';

/**
 * How long a cancelled query of a reader may go on, in milliseconds; meanwhile it keeps its slot, so that one asker has no
 * more of them than of others. The engine looks at the time between blocks; a single call of a function may take hours,
 * and nothing but the end of the process ends it.
 */
const RUNAWAY_MS = 60_000;

/** The open engine. */
export class Engine {
  readonly dataDir: string;
  /** Engine version, such as 26.7.2.1. */
  readonly version: string;
  readonly #anchor: Session;
  readonly #readers: Slots;
  readonly #writers: Slots;
  readonly #running = new Set<string>();
  #lastTag = 0;
  /** Told of a reader's query that goes on RUNAWAY_MS after it was cancelled. */
  onRunaway: () => void = () => undefined;

  private constructor(dataDir: string, anchor: Session, version: string, limits: EngineLimits) {
    this.dataDir = dataDir;
    this.version = version;
    this.#anchor = anchor;
    this.#readers = new Slots(limits.readers, QUEUE_LENGTH, limits.readersShare);
    this.#writers = new Slots(limits.writers, QUEUE_LENGTH);
  }

  /**
   * Opens the engine on a data directory; makes it if it is not there.
   * @throws EngineError 76 if it cannot be opened
   */
  static async open(dataDir: string, limits: EngineLimits): Promise<Engine> {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const configPath = join(dataDir, 'engine.xml');
    writeFileSync(configPath, engineConfig(limits), { mode: 0o600 });
    let anchor: Session;
    try {
      anchor = new Session(dataDir, { connectionArgs: [`--config-file=${configPath}`] });
    } catch (cause) {
      throw new EngineError(76, 'the engine refuses it: another process may have it open', { cause });
    }
    const version = (await anchor.queryAsync('SELECT version()', { format: 'TabSeparated' })).text().trim();
    return new Engine(dataDir, anchor, version, limits);
  }

  /**
   * Waits for the turn of a reader or writer.
   * @param asker who it is for: slots are shared among askers
   * @returns to be given to `run` as `leave`, or called if nothing is run
   * @throws EngineError 202 if too many wait, or 394 if the signal fires first with another reason than an EngineError
   */
  async enter(role: Role, asker?: string, signal?: AbortSignal): Promise<() => void> {
    if (role === 'upkeep') return () => undefined;
    const slots = role === 'reader' ? this.#readers : this.#writers;
    return await slots.take(signal, asker).catch((cause) => {
      throw signal?.aborted ? cancelled(cause) : cause;
    });
  }

  /**
   * Runs one statement.
   * @throws EngineError with the engine's code; if the signal fired its reason, or 394 if that is no EngineError
   */
  async run(job: Job): Promise<Outcome> {
    const leave = job.leave ?? (await this.enter(job.role, undefined, job.signal));
    const done = this.#execute(job).finally(() => {
      leave();
      job.ended?.();
    });
    const { signal } = job;
    if (signal === undefined || job.role !== 'reader') return await done;
    // Who reads is told in time, whether the engine lets go of the query or not.
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const tell = () => reject(cancelled(signal.reason));
    signal.addEventListener('abort', tell, { once: true });
    return await Promise.race([done, aborted]).finally(() => signal.removeEventListener('abort', tell));
  }

  async #execute(job: Job): Promise<Outcome> {
    const session = new Session(this.dataDir);
    const tag = `flowspan-${++this.#lastTag}`;
    let runaway: NodeJS.Timeout | undefined;
    const kill = () => {
      if (job.role === 'reader') runaway = setTimeout(() => this.onRunaway(), RUNAWAY_MS);
      void this.#kill(tag);
    };
    this.#running.add(tag);
    try {
      await session.queryAsync(prologue(job, tag), { format: 'Null' });
      if (job.signal?.aborted) throw cancelled(job.signal.reason);
      job.signal?.addEventListener('abort', kill, { once: true });
      const result = await session.queryAsync(job.sql, { format: job.format ?? 'TabSeparated' });
      return {
        bytes: result.bytes(),
        rows: result.rowsRead,
        rowBytes: result.bytesRead,
        elapsedNs: Math.round(result.elapsed * 1e9),
      };
    } catch (cause) {
      throw EngineError.from(cause);
    } finally {
      clearTimeout(runaway);
      job.signal?.removeEventListener('abort', kill);
      this.#running.delete(tag);
      session.close();
    }
  }

  /** How much runs and waits, by account. */
  get load(): Readonly<Record<'reader' | 'writer', Slots['load']>> {
    return { reader: this.#readers.load, writer: this.#writers.load };
  }

  /** Rows of a query of the store's own upkeep. */
  async rows<Row>(sql: string): Promise<Row[]> {
    const settings = { output_format_json_quote_64bit_integers: '1' };
    const { bytes } = await this.run({ sql, role: 'upkeep', settings, format: 'JSONEachRow' });
    const text = Buffer.from(bytes).toString().trim();
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Row);
  }

  /** Waits until nothing runs, at most so long. */
  async idle(timeoutMs: number): Promise<void> {
    const until = Date.now() + timeoutMs;
    while (this.#running.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Cancels what runs and closes. Results that still stand in pipes must have lost their readers before. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((tag) => this.#kill(tag)));
    await drainPending();
    this.#anchor.close();
    await drainPending();
  }

  async #kill(tag: string): Promise<void> {
    const session = new Session(this.dataDir);
    try {
      await session.queryAsync(`KILL QUERY WHERE Settings['${KILL_TAG}'] = ${quoteText(tag)} ASYNC`, {
        format: 'Null',
      });
    } catch {
      // It has ended meanwhile, or the engine is closing: either way nothing is left to cancel.
    } finally {
      session.close();
    }
  }
}

function prologue(job: Job, tag: string): string {
  const settings = { ...job.settings, [KILL_TAG]: tag };
  const readonly = job.role === 'reader';
  return [
    ...(job.database === undefined ? [] : [`USE ${quoteName(job.database)}`]),
    `SET ${Object.entries(settings)
      .map(([name, value]) => `${quoteName(name)} = ${quoteText(value)}`)
      .join(', ')}`,
    ...Object.entries(job.parameters ?? {}).map(([name, value]) => `SET param_${name} = ${quoteText(value)}`),
    ...(readonly ? ['SET readonly = 1'] : []),
  ].join('; ');
}

function cancelled(cause: unknown): EngineError {
  return cause instanceof EngineError ? cause : new EngineError(394, 'Query was cancelled', { cause });
}

function engineConfig(limits: EngineLimits): string {
  const values = {
    max_server_memory_usage: limits.memoryBytes,
    mark_cache_size: Math.floor(limits.memoryBytes / 16),
    index_mark_cache_size: 16 * 1024 ** 2,
    primary_index_cache_size: Math.floor(limits.memoryBytes / 16),
    uncompressed_cache_size: 0,
    index_uncompressed_cache_size: 0,
    vector_similarity_index_cache_size: 0,
    query_condition_cache_size: 16 * 1024 ** 2,
    mmap_cache_size: 0,
    // It reads the resident memory, every 50 ms if nothing else is said.
    memory_worker_period_ms: 500,
    max_thread_pool_size: 500,
    max_thread_pool_free_size: 8,
  };
  const lines = Object.entries(values).map(([name, value]) => `  <${name}>${value}</${name}>`);
  return `<clickhouse>\n${lines.join('\n')}\n</clickhouse>\n`;
}
