/**
 * The program on one host of the test that measures causes: serves and asks as it is told over a UNIX socket, one JSON
 * object a line, each answered by a line. It stays for all rounds, since programs that start take the time of others.
 * Usage: fault_host.ts PATH
 */
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { type FaultClientOptions, runFaultClient } from '../../deploy/lab/fault_client.ts';
import { type FaultServerOptions, startFaultServer } from '../../deploy/lab/fault_server.ts';

/** What a host can be told: to serve (null: no longer), or to ask. */
export type HostOrder = { readonly serve: FaultServerOptions | null } | { readonly ask: FaultClientOptions };

/** What came of asking. */
export interface Asked {
  /** How often each status or error code was met. */
  readonly met: Readonly<Record<string, number>>;
  /** How late this program came to its turn, at p95, in milliseconds: it blocks nothing itself. */
  readonly late_ms: number;
}

let stop: () => void = () => {};

async function follow(order: HostOrder): Promise<unknown> {
  if ('ask' in order) {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const met = await runFaultClient(order.ask);
    delay.disable();
    return { met, late_ms: delay.percentile(95) / 1e6 } satisfies Asked;
  }
  stop();
  stop = order.serve === null ? () => {} : await startFaultServer(order.serve);
  return 'done';
}

if (import.meta.main) {
  createServer(async (socket) => {
    for await (const line of createInterface(socket)) {
      socket.write(`${JSON.stringify(await follow(JSON.parse(line) as HostOrder))}\n`);
    }
  }).listen(process.argv[2], () => process.stdout.write('ready\n'));
}
