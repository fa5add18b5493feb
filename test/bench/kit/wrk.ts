/** wrk as a closed loop: each connection asks, waits for the answer, and asks again, at once or after a pause. */
import { fileURLToPath } from 'node:url';
import { type Place, run } from '../../../deploy/lab/program.ts';
import { pinned } from './cpu.ts';

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));

/** What wrk is to send, from one thread. */
export interface WrkLoad {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Where wrk runs, such as `0`. */
  readonly cores: string;
  /** Mean pause of a connection between an answer and its next request, milliseconds; left out: none. */
  readonly pauseMs?: number;
}

/** What wrk saw. */
export interface WrkResult {
  /** Answers of status below 400. */
  readonly requests: number;
  readonly perSecond: number;
  /** From the first byte of a request to the last of its answer, microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Runs wrk to its end.
 * @throws if an answer was an error, or none came
 */
export async function wrk(
  place: Place,
  { url, connections, seconds, cores, pauseMs = 0 }: WrkLoad,
): Promise<WrkResult> {
  const command = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, url];
  const words = ['env', `WRK_PAUSE_MS=${pauseMs}`, ...pinned(cores, command)];
  const text = await run(place, words, (seconds + 20) * 1000);
  const told = JSON.parse(text.slice(text.lastIndexOf('\n{') + 1)) as Record<string, number>;
  const { requests = 0, errors = 0, elapsed_us = 0, p50_us = 0, p99_us = 0 } = told;
  if (errors > 0 || requests === 0) throw new Error(`wrk: ${requests} answers, ${errors} errors\n${text}`);
  return { requests, perSecond: (requests / elapsed_us) * 1e6, p50Us: p50_us, p99Us: p99_us };
}
