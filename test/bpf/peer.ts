/**
 * One end of a TCP connection that does as it is told. Started by tests inside a namespace:
 *   peer.ts serve PORT BACKLOG          accepts; the first word a client sends says what follows:
 *       echo    answers with the word        close   answers, then closes first
 *       hold    answers; the client stays 8 s
 *       reset   resets the connection        stall   stops reading for 1.5 s, then reads on
 *   peer.ts say HOST PORT WORD [BYTES]  connects, says the word (padded to BYTES), reads until the end, stays 300 ms
 *   peer.ts deaf PORT BACKLOG MS        listens and does not accept for MS milliseconds
 *   peer.ts crowd HOST PORT COUNT MS    connects COUNT times at once, ends after MS milliseconds
 *   peer.ts refuse HOST PORT            prints the error code of the connect
 */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [mode, ...words] = process.argv.slice(2);

const STAY_MS: Record<string, number> = { stall: 8000, hold: 8000 };

async function serveOne(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.once('data', async (first: Buffer) => {
    const word = first.toString('latin1', 0, 5);
    if (word === 'reset') socket.resetAndDestroy();
    else if (word === 'close') socket.end('bye');
    else if (word === 'stall') {
      socket.pause();
      await sleep(1500);
      socket.on('data', () => {});
      socket.on('end', () => socket.end());
      socket.resume();
    } else {
      socket.write(first);
      socket.on('end', () => socket.end());
      socket.resume();
    }
  });
}

async function say(host: string, port: number, word: string, bytes: number): Promise<void> {
  const socket = connect({ host, port, allowHalfOpen: false });
  socket.on('error', (error: NodeJS.ErrnoException) => process.stdout.write(`${error.code}\n`));
  socket.resume();
  socket.write(word.padEnd(bytes, '.'));
  if (word === 'stall') socket.end();
  await Promise.race([new Promise((resolve) => socket.once('close', resolve)), sleep(STAY_MS[word] ?? 300)]);
  socket.end();
}

if (mode === 'serve') {
  createServer({ noDelay: true, allowHalfOpen: true }, serveOne).listen({
    port: Number(words[0]),
    host: '::',
    backlog: Number(words[1]),
  });
} else if (mode === 'say') await say(words[0] ?? '', Number(words[1]), words[2] ?? '', Number(words[3] ?? 0));
else if (mode === 'refuse') {
  connect({ host: words[0], port: Number(words[1]) }).on('error', (error: NodeJS.ErrnoException) =>
    process.stdout.write(`${error.code}\n`),
  );
} else if (mode === 'deaf') {
  createServer(serveOne).listen({ port: Number(words[0]), host: '::', backlog: Number(words[1]) }, () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(words[2]));
  });
} else if (mode === 'crowd') {
  const sockets = Array.from({ length: Number(words[2]) }, () => connect({ host: words[0], port: Number(words[1]) }));
  for (const socket of sockets) socket.on('error', () => {});
  await sleep(Number(words[3]));
  for (const socket of sockets) socket.destroy();
} else throw new Error(`there is no ${mode}`);
