/**
 * Requests in numbers: a server and its clients in one process, inside a cgroup of the test's. Told by lines on standard
 * input, `REQUESTS CONNECTIONS`; each is answered by `done` when every request has its answer and every connection ended.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cgroup } from '../../deploy/lab/cgroup.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const TIMEOUT_MS = 60_000;

/** A source of bursts. */
export interface Bursts {
  /** Resolves when all requests were answered. */
  send(requests: number, connections: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it in a cgroup. */
export function startBursts(cgroup: Cgroup): Bursts {
  const program = start({ cgroup }, [process.execPath, fileURLToPath(import.meta.url)], {}, 'pipe');
  let bursts = 0;
  return {
    async send(requests, connections) {
      program.process.stdin?.write(`${requests} ${connections}\n`);
      bursts += 1;
      await eventually(
        'the burst',
        () => {
          if (program.process.exitCode !== null) throw new Error(program.output());
          return program.output().split('done\n').length - 1 >= bursts;
        },
        TIMEOUT_MS,
      );
    },
    stop: () => program.stop('SIGKILL'),
  };
}

const ANSWER = '"ok"';

async function ask(port: number, requests: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (let index = 0; index < requests; index += 1) {
    socket.write(`GET /items/${index} HTTP/1.1\r\nhost: burst\r\n\r\n`);
    let answer = '';
    while (!answer.endsWith(ANSWER)) answer += ((await once(socket, 'data')) as [Buffer])[0].toString();
  }
  socket.end();
  await once(socket, 'close');
}

if (import.meta.main) {
  const server = createServer((_request, response) => response.end(ANSWER));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for await (const line of createInterface({ input: process.stdin })) {
    const [requests = 0, connections = 1] = line.split(' ').map(Number);
    const each = Math.ceil(requests / connections);
    await Promise.all(Array.from({ length: connections }, () => ask(port, each)));
    process.stdout.write('done\n');
  }
}
