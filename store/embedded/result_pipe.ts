/**
 * Named pipes through which the engine's results reach the network in bounded memory: the engine writes them
 * `INTO OUTFILE`, whatever the format, and waits while the client does not read.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { QUEUE_LENGTH, Slots } from './slots.ts';

/** A pipe on loan. */
export interface ResultPipe {
  readonly path: string;
  /** Ends once `finish` was called and all is read. */
  readonly readable: Socket;
  /** Nothing more comes: call it when the statement has ended, however it ended. */
  finish(): void;
}

/** Pipes of one store, made once: Node cannot make any. */
export class ResultPipes {
  readonly #free: string[];
  readonly #slots: Slots;
  readonly #directory: string;

  /**
   * @param directory emptied, then holds the pipes
   * @param count most queries that answer at once
   */
  constructor(directory: string, count: number) {
    this.#directory = directory;
    this.#slots = new Slots(count, QUEUE_LENGTH);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#free = Array.from({ length: count }, (_, index) => join(directory, `result_${index}`));
    execFileSync('mkfifo', ['-m', '600', ...this.#free]);
  }

  /**
   * Waits for a free pipe. It goes back by itself when `readable` is closed and `finish` called.
   * @throws EngineError 202 if too many wait; the signal's reason if it fires first
   */
  async take(signal: AbortSignal): Promise<ResultPipe> {
    const release = await this.#slots.take(signal);
    const path = this.#free.pop()!;
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // Without a writer of our own the reader would see the end before the engine has opened the pipe.
    let writeEnd: number | undefined = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    const readable = new Socket({ fd: readEnd, readable: true, writable: false });
    // Not before all ends are closed: a statement that still writes would write into the next one's result.
    let readEndClosed = false;
    const giveBack = () => {
      if (writeEnd !== undefined || !readEndClosed) return;
      this.#free.push(path);
      release();
    };
    const finish = () => {
      if (writeEnd === undefined) return;
      closeSync(writeEnd);
      writeEnd = undefined;
      giveBack();
    };
    const closed = () => {
      readEndClosed = true;
      giveBack();
    };
    readable.once('close', () => {
      if (writeEnd === undefined) return closed();
      // Where nobody reads the engine waits, to open the pipe or to write, and no cancelling reaches it there.
      const rest = this.#restOf(path);
      if (rest === undefined) return closed();
      rest.once('close', closed).on('error', () => rest.destroy());
      rest.resume();
    });
    return { path, readable, finish };
  }

  /** What is still written to a pipe; undefined once the pipes are removed. */
  #restOf(path: string): Socket | undefined {
    try {
      return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), writable: false });
    } catch {
      return undefined;
    }
  }

  /** Removes the pipes from the disk. */
  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
