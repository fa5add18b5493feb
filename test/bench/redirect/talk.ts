/** Round trips and streams between two places, by message size. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, run, start } from '../../../deploy/lab/program.ts';
import { pinned } from '../kit/cpu.ts';

/** How long each measurement takes, seconds. */
export const SECONDS = Number(process.env.SECONDS ?? 2);
/** Bytes of a message. */
export const SIZES = [64, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576] as const;

/** What one round found. */
export interface RoundTrips {
  readonly medianUs: number;
  readonly p99Us: number;
}

function compiled(): string {
  const output = join('build', 'bench', 'talk');
  mkdirSync(join('build', 'bench'), { recursive: true });
  execFileSync('gcc', ['-std=gnu11', '-O2', '-Wall', '-o', output, join(import.meta.dirname, 'talk.c')]);
  return output;
}

/** A server, and who talks to it. Client and server have a core each. */
export class Talk {
  readonly #program = compiled();
  readonly #server: Program;
  readonly #client: Place;
  readonly #host: string;
  readonly #port: number;

  constructor(client: Place, server: Place, host: string, port = 9000) {
    this.#client = client;
    this.#host = host;
    this.#port = port;
    this.#server = start(server, pinned('1', [this.#program, 'serve', String(port)]));
  }

  /** Resolves when the server can be talked to. */
  async ready(namespace: Namespace): Promise<void> {
    await listening(namespace, this.#port);
  }

  async #say(how: 'ask' | 'pour', bytes: number): Promise<number[]> {
    const words = [how, this.#host, String(this.#port), String(bytes), String(SECONDS)];
    const text = await run(this.#client, pinned('0', [this.#program, ...words]), (SECONDS + 30) * 1000);
    return text.trim().split(' ').map(Number);
  }

  async roundTrips(bytes: number): Promise<RoundTrips> {
    const [median = 0, p99 = 0] = await this.#say('ask', bytes);
    return { medianUs: median / 1000, p99Us: p99 / 1000 };
  }

  /** Megabytes per second, one way. */
  async stream(bytes: number): Promise<number> {
    const [perSecond = 0] = await this.#say('pour', bytes);
    return perSecond / 1e6;
  }

  stop(): Promise<void> {
    return this.#server.stop('SIGKILL');
  }
}
