/**
 * `http_client.ts HOST PORT STEPS`: sends each step's bytes when what it waits for has come, until the server ends it or QUIET_MS
 * pass without a byte. Prints as JSON what was received, how it ended, and milliseconds from the last step to the end.
 */
import { connect } from 'node:net';

/** One write, as latin1. */
export interface Step {
  readonly send: string;
  /** Bytes that follow it in the same write; default 0. */
  readonly body?: number;
  /** How many times `HTTP/1.1` was received when it is sent; default 0. */
  readonly responses?: number;
  /** Milliseconds to wait before; default 0. */
  readonly pauseMs?: number;
}

export interface Told {
  readonly received: string;
  /** `end`, the code of an error, or `quiet`. */
  readonly end: string;
  readonly endedMs: number;
}

const QUIET_MS = Number(process.env.QUIET_MS ?? 1_500);

const [host = '', port, steps = '[]'] = process.argv.slice(2);
const left = JSON.parse(steps) as Step[];
const socket = connect({ host, port: Number(port), noDelay: true });
let received = '';
let last = performance.now();
let timer: NodeJS.Timeout | undefined;

function finish(end: string): void {
  const told: Told = { received, end, endedMs: performance.now() - last };
  process.stdout.write(JSON.stringify(told), () => process.exit());
}

function rest(): void {
  clearTimeout(timer);
  timer = setTimeout(finish, QUIET_MS, 'quiet');
}

let busy = false;
async function go(): Promise<void> {
  rest();
  if (busy) return;
  busy = true;
  for (;;) {
    const [step] = left;
    if (step === undefined || received.split('HTTP/1.1').length - 1 < (step.responses ?? 0)) break;
    left.shift();
    if (step.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, step.pauseMs));
    last = performance.now();
    socket.write(Buffer.from(step.send + 'z'.repeat(step.body ?? 0), 'latin1'));
  }
  busy = false;
}

socket.on('connect', go);
socket.on('data', (chunk) => {
  received += chunk.toString('latin1');
  void go();
});
socket.on('end', () => finish('end'));
socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
