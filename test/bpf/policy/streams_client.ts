/**
 * `streams_client.ts HOST PORT`: reads lists of writes in JSON, a connection a line, from standard input, sends them 25 connections at a
 * time, and prints how many of them were told 403 and how many were reset.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const AT_ONCE = 25;
const PAUSE_MS = 3;
const PATIENCE_MS = 3_000;

const [host = '', port] = process.argv.slice(2);
const told = { forbidden: 0, reset: 0, hung: 0 };

function say(writes: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), noDelay: true });
    let received = '';
    socket.setTimeout(PATIENCE_MS, () => {
      told.hung += 1;
      socket.destroy();
    });
    socket.on('connect', async () => {
      for (const [index, bytes] of writes.entries()) {
        if (index > 0) await new Promise((go) => setTimeout(go, PAUSE_MS));
        if (index === writes.length - 1) socket.end(bytes, 'latin1');
        else if (socket.writable) socket.write(bytes, 'latin1');
      }
    });
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => {
      told.reset += 1;
    });
    socket.on('close', () => {
      if (received.includes(' 403 Forbidden')) told.forbidden += 1;
      resolve();
    });
  });
}

const waiting: (readonly string[])[] = [];
for await (const line of createInterface({ input: process.stdin })) waiting.push(JSON.parse(line) as string[]);
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await say(next);
  }),
);
process.stdout.write(JSON.stringify(told));
