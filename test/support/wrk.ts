/** wrk as a source of a known number of requests. */
import { fileURLToPath } from 'node:url';
import { type Place, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));
const LONGEST_S = 120;

/** What wrk is to send. */
export interface Load {
  /** Such as http://10.200.1.2. */
  readonly url: string;
  /** Part of every path: /r/<label>/<thread>/<number>. A word of letters. */
  readonly label: string;
  /** One connection each. */
  readonly threads: number;
  readonly requestsPerThread: number;
  /** Asks the server to close after each request. */
  readonly close?: boolean;
  /** Pause before each request, milliseconds; default 1, which leaves the watchers some of the machine. */
  readonly pauseMs?: number;
}

/**
 * Runs wrk until every thread has had its answers.
 * @param answered how many requests of this load the server has answered by now
 */
export async function runWrk(place: Place, load: Load, answered: () => number): Promise<void> {
  const { url, label, threads, requestsPerThread, close, pauseMs = 1 } = load;
  const program = start(place, [
    ...['wrk', `-t${threads}`, `-c${threads}`, `-d${LONGEST_S}s`, '--timeout', '30s', '-s', SCRIPT, url, '--'],
    ...[label, String(requestsPerThread), close === true ? 'close' : 'keep', String(pauseMs)],
  ]);
  await eventually(
    `the answers to ${label}`,
    () => {
      if (program.process.exitCode !== null) throw new Error(`wrk ended early\n${program.output()}`);
      return answered() >= threads * requestsPerThread;
    },
    LONGEST_S * 1000,
  );
  await program.stop('SIGINT');
}
