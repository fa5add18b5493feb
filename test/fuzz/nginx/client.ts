/**
 * Says bytes as they are, each on a connection of its own, and then no more: client.ts HOST PORT FILE
 * FILE: JSON list of [own port, bytes in base64]. Waits until the server has closed.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Connections at once. */
const WIDTH = 16;
const CLOSED_MS = 5_000;

const [host = '', port, file = ''] = process.argv.slice(2);
const waiting = JSON.parse(readFileSync(file, 'utf8')) as [number, string][];

async function say(localPort: number, bytes: string): Promise<void> {
  const socket = connect({ host, port: Number(port), localPort, noDelay: true });
  socket.on('error', () => undefined).resume();
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  socket.end(Buffer.from(bytes, 'base64'));
  await Promise.race([closed, sleep(CLOSED_MS)]);
  socket.destroy();
}

await Promise.all(
  Array.from({ length: WIDTH }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await say(...next);
  }),
);
