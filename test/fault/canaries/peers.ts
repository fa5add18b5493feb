/**
 * Who holds the conversations. Run by the test inside namespaces:
 *   peers.ts serve PORT RESPONSE      answers everything alike, once the client has said all
 *   peers.ts say HOST FILE            FILE: JSON list of [port, segments], said side by side
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Conversations at once. */
const WIDTH = 32;
/** Between two segments, so that they stay two. */
const APART_MS = 4;
const ANSWER_MS = 1_000;

async function say(host: string, port: number, segments: readonly string[]): Promise<void> {
  const socket = connect({ host, port, noDelay: true });
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  for (const segment of segments) {
    socket.write(Buffer.from(segment, 'latin1'));
    await sleep(APART_MS);
  }
  socket.end();
  await Promise.race([once(socket, 'close').catch(() => undefined), sleep(ANSWER_MS)]);
  socket.destroy();
}

const [mode, first = '', second = ''] = process.argv.slice(2);
if (mode === 'serve') {
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined).resume();
    socket.on('end', () => socket.end(Buffer.from(second, 'latin1')));
  }).listen(Number(first));
} else {
  const waiting = JSON.parse(readFileSync(second, 'utf8')) as [number, string[]][];
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        await say(first, ...next).catch(() => undefined);
    }),
  );
}
