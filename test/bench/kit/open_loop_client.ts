/**
 * HTTP requests at a constant rate, whether or not answers come: a connection that still waits for one gets the next
 * behind it (pipelining), so that a slow server is not asked less. A program of its own:
 *   open_loop_client.ts HOST PORT PATH CONNECTIONS PER_SECOND
 * connects, prints `connected`, asks until SIGTERM, waits for what is still to come and prints one line of JSON.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What an open loop saw. */
export interface Asked {
  readonly sent: number;
  readonly answered: number;
  readonly seconds: number;
  /** How late a request was sent at most, milliseconds. */
  readonly latestMs: number;
}

const TICK_MS = 1;
const CONNECT_AT_ONCE = 200;
const LAST_ANSWERS_MS = 1000;
const ANSWER_HEAD = Buffer.from('HTTP/1.1 200 ');

async function openAll(host: string, port: number, connections: number, heard: (bytes: Buffer) => void) {
  const sockets: Socket[] = [];
  while (sockets.length < connections) {
    const wave = Array.from({ length: Math.min(CONNECT_AT_ONCE, connections - sockets.length) }, () => {
      const socket = connect({ host, port, noDelay: true });
      socket.on('data', heard);
      return socket;
    });
    await Promise.all(wave.map((socket) => once(socket, 'connect')));
    sockets.push(...wave);
  }
  return sockets;
}

async function main([host = '', port, path = '', connections, perSecond]: string[]): Promise<void> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  let [sent, answered, latestMs] = [0, 0, 0];
  const sockets = await openAll(host, Number(port), Number(connections), (bytes) => {
    for (let at = bytes.indexOf(ANSWER_HEAD); at >= 0; at = bytes.indexOf(ANSWER_HEAD, at + 1)) answered += 1;
  });
  const perMs = Number(perSecond) / 1000;
  const began = performance.now();
  process.stdout.write('connected\n');
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - began;
    latestMs = Math.max(latestMs, elapsedMs - sent / perMs);
    for (const due = Math.floor(elapsedMs * perMs); sent < due; sent += 1)
      sockets[sent % sockets.length]?.write(request);
  }, TICK_MS);
  await once(process, 'SIGTERM');
  clearInterval(timer);
  const seconds = (performance.now() - began) / 1000;
  for (let waitedMs = 0; answered < sent && waitedMs < LAST_ANSWERS_MS; waitedMs += 50) await sleep(50);
  process.stdout.write(`${JSON.stringify({ sent, answered, seconds, latestMs } satisfies Asked)}\n`);
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
