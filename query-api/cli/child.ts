/** One process that `flowspan up` starts, watches, restarts and stops. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { frugal } from './frugal.ts';
import { PARENT_VARIABLE } from './parent.ts';

const COMMAND = fileURLToPath(new URL('./flowspan.ts', import.meta.url));
/** File descriptor on which a child writes `ready\n`. */
const READY_FD = 3;
const FIRST_BACK_OFF_MS = 500;
const LAST_BACK_OFF_MS = 30_000;
/** A child that lived this long is taken for sound: its next restart waits the first back-off again. */
const SOUND_MS = 60_000;

/** What a child is started with. */
export interface ChildOptions {
  /** Subcommand of `flowspan`. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Longest time to `ready`, in milliseconds. */
  readonly readyTimeoutMs: number;
  /** Called with each line that the child prints. */
  readonly onLine: (name: string, line: string) => void;
  /** Called with what the supervisor itself does, in words. */
  readonly onNote: (text: string) => void;
}

/** A child could not be started; `code` is FLOW_UP_CHILD. */
export class ChildError extends Error {
  readonly code = 'FLOW_UP_CHILD';
}

/** A supervised child. It is in a process group of its own, so that Ctrl-C reaches the supervisor alone. */
export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;
  #backOffMs = FIRST_BACK_OFF_MS;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts the child and resolves when it is ready; from then on it is restarted whenever it ends by itself. */
  async start(): Promise<void> {
    const started = this.#spawn();
    try {
      await this.#ready(started);
    } catch (error) {
      this.#stopping = true;
      started.kill('SIGTERM');
      throw error;
    }
    started.once('exit', () => this.#restartLater());
    if (started.exitCode !== null || started.signalCode !== null) this.#restartLater();
  }

  /** Asks the child to end, kills it after `graceMs`, and resolves when it is gone. Calling it again changes nothing. */
  async stop(graceMs = 5_000): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const running = this.#process;
    if (running === undefined) return;
    running.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.#options.onNote(`${this.name} did not end within ${graceMs / 1000} s and was killed`);
      running.kill('SIGKILL');
    }, graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Sends a signal to the child if it runs. */
  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Ends the child at once. */
  kill(): void {
    this.#stopping = true;
    this.#process?.kill('SIGKILL');
  }

  #spawn(): ChildProcess {
    const { name, argv, env } = this.#options;
    const started = spawn(process.execPath, [COMMAND, name, ...argv], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...frugal(name), ...env, [PARENT_VARIABLE]: 'stdin', FLOWSPAN_READY_FD: String(READY_FD) },
    });
    this.#process = started;
    started.stdin?.on('error', () => {});
    for (const stream of [started.stdout, started.stderr]) {
      if (stream !== null) forEachLine(stream, (line) => this.#options.onLine(name, line));
    }
    this.#ended = new Promise((resolve) => {
      started.once('close', () => {
        if (this.#process === started) this.#process = undefined;
        resolve();
      });
    });
    const born = Date.now();
    started.once('exit', () => {
      if (Date.now() - born > SOUND_MS) this.#backOffMs = FIRST_BACK_OFF_MS;
    });
    return started;
  }

  #ready(started: ChildProcess): Promise<void> {
    const { name, readyTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new ChildError(`${name} was not ready within ${readyTimeoutMs / 1000} s; see its lines above`)),
        readyTimeoutMs,
      );
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        act();
      };
      const ready = started.stdio[READY_FD] as NodeJS.ReadableStream;
      ready.once('data', () => settle(resolve));
      ready.on('error', () => {});
      started.once('error', (error) => settle(() => reject(new ChildError(`${name} cannot start: ${error.message}`))));
      started.once('close', (code, signal) =>
        settle(() =>
          reject(
            new ChildError(`${name} ended before it was ready (${signal ?? `exit code ${code}`}); see its lines above`),
          ),
        ),
      );
    });
  }

  #restartLater(): void {
    if (this.#stopping) return;
    const waitMs = this.#backOffMs;
    this.#backOffMs = Math.min(waitMs * 2, LAST_BACK_OFF_MS);
    this.#options.onNote(`${this.name} ended by itself; it starts again in ${waitMs / 1000} s`);
    this.#restart = setTimeout(async () => {
      const started = this.#spawn();
      started.once('exit', () => this.#restartLater());
      try {
        await this.#ready(started);
        this.#options.onNote(`${this.name} is ready again`);
      } catch (error) {
        if (!this.#stopping) this.#options.onNote((error as Error).message);
        started.kill('SIGTERM');
      }
    }, waitMs);
  }
}

/** Calls back with each line; a last line without its line feed counts. */
function forEachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
