/**
 * An HTTP client that asks at a steady pace, for the demo and for the test that measures causes.
 * Usage: fault_client.ts '{"host": "10.0.0.1", "port": 8080}'; see FaultClientOptions. At its end it prints how often it
 * met which status or error code, as one line of JSON.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is asked, and how often. */
export interface FaultClientOptions {
  readonly host: string;
  readonly port: number;
  /** How many ask side by side, each one request after the other. Default 4. */
  readonly lanes?: number;
  /** Pause of a lane between two requests, in milliseconds. Default 10. */
  readonly gap_ms?: number;
  /** How long to ask, in milliseconds. Default 3000. */
  readonly for_ms?: number;
  /** Requests to ask at least, also if that takes longer, but no longer than 15 s. Default 0. */
  readonly at_least?: number;
  /** Whether a lane keeps its connection. Default true. */
  readonly keep_alive?: boolean;
  /** Bytes of each request's body; 0 sends GET. Default 0. */
  readonly body_bytes?: number;
  /** After how long the client gives up, in milliseconds. Default 0: never. */
  readonly abort_after_ms?: number;
  /** How it gives up. Default `fin`: it closes the connection. */
  readonly abort_by?: 'fin' | 'reset';
  /** Share of requests that are given up, from 0 to 1. Default 1. */
  readonly abort_share?: number;
  /** Path that is asked for. Default `/`. */
  readonly path?: string;
}

const LONGEST_MS = 15_000;

/** One request; resolves with the status, or the code of what went wrong. */
function ask(options: FaultClientOptions, agent: Agent, givesUp: boolean): Promise<string> {
  const { host, port, path = '/', body_bytes = 0, abort_after_ms = 0, abort_by = 'fin' } = options;
  return new Promise((resolve) => {
    const method = body_bytes > 0 ? 'POST' : 'GET';
    const asked = request({ host, port, path, method, agent, headers: { 'content-length': body_bytes } }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(String(answer.statusCode)));
      answer.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asked.setTimeout(LONGEST_MS, () => asked.destroy());
    asked.end(Buffer.alloc(body_bytes, 'x'));
    if (!givesUp) return;
    const timer = setTimeout(() => {
      if (abort_by === 'reset') asked.socket?.resetAndDestroy();
      asked.destroy();
    }, abort_after_ms);
    asked.on('close', () => clearTimeout(timer));
  });
}

/** Asks; resolves with how often each status or error code was met. */
export async function runFaultClient(options: FaultClientOptions): Promise<Record<string, number>> {
  const { lanes = 4, gap_ms = 10, for_ms = 3000, keep_alive = true, abort_after_ms = 0, abort_share = 1 } = options;
  const { at_least = 0 } = options;
  const met: Record<string, number> = {};
  const begin = performance.now();
  let total = 0;
  const goesOn = (): boolean => {
    const passed = performance.now() - begin;
    return passed < for_ms || (total < at_least && passed < LONGEST_MS);
  };
  const lane = async (number: number): Promise<void> => {
    const agent = new Agent({ keepAlive: keep_alive, maxSockets: 1 });
    await sleep((gap_ms * number) / lanes);
    for (let asked = number; goesOn(); asked += 1) {
      const givesUp = abort_after_ms > 0 && Math.floor(asked * abort_share) < Math.floor((asked + 1) * abort_share);
      const result = await ask(options, agent, givesUp);
      total += 1;
      met[result] = (met[result] ?? 0) + 1;
      await sleep(gap_ms);
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  return met;
}

if (import.meta.main) {
  const met = await runFaultClient(JSON.parse(process.argv[2] ?? '{}') as FaultClientOptions);
  process.stdout.write(`${JSON.stringify(met)}\n`);
}
