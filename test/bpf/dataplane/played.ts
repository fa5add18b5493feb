/**
 * Generated connections on real sockets, many at once. `played.ts serve PORT KIND` answers
 * `played.ts play HOST PORT KIND COUNT`: both ends know what each connection says. A server answers when it has all that it is
 * asked, and the client resets the connection when it has all of the answers, so that no close ends one.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../http/exchange.ts';
import { broken, pieces, type Streams, wellFormed } from '../http/generate.ts';

const PIECE_MAX = 5000;
/** One piece in so many is followed by a pause. */
const PAUSES = 2;
const AT_ONCE = 20;
/** Below those that the kernel gives; a connection's number is its client's port less this one. */
export const FIRST_PORT = 20_000;

export type Kind = 'whole' | 'broken';

/** What the connection with this number says. */
export function played(kind: Kind, number: number): Streams {
  const random = randomOf(number + (kind === 'whole' ? 1_000_000 : 2_000_000));
  const streams = wellFormed(random, 1 + random(8));
  return kind === 'whole' ? streams : broken(random, streams);
}

async function send(socket: Socket, bytes: Buffer, seed: number): Promise<void> {
  const random = randomOf(seed);
  for (const piece of pieces(random, bytes, PIECE_MAX)) {
    socket.write(piece);
    if (random(PAUSES) === 0) await sleep(1);
  }
}

async function serveOne(socket: Socket, { requests, responses }: Streams, seed: number): Promise<void> {
  socket.on('error', () => {});
  await receive(socket, requests.length);
  await send(socket, responses, seed);
}

async function receive(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) left -= ((await once(socket, 'data')) as [Buffer])[0].length;
}

async function play(host: string, port: number, kind: Kind, number: number): Promise<void> {
  const { requests, responses } = played(kind, number);
  const socket = connect({ host, port, localPort: FIRST_PORT + number, noDelay: true });
  await once(socket, 'connect');
  const received = receive(socket, responses.length);
  await send(socket, requests, -number);
  await received;
  socket.resetAndDestroy();
}

if (import.meta.main) {
  const [mode, ...words] = process.argv.slice(2);
  if (mode === 'serve') {
    createServer({ noDelay: true }, (socket) => {
      const number = Number(socket.remotePort) - FIRST_PORT;
      void serveOne(socket, played(words[1] as Kind, number), number);
    }).listen({ port: Number(words[0]), host: '::' });
  } else {
    const [host = '', port, kind, count] = words;
    let begun = 0;
    const playOn = async () => {
      while (begun < Number(count)) {
        begun += 1;
        await play(host, Number(port), kind as Kind, begun);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, playOn));
  }
}
