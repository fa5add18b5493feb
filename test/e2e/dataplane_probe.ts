/**
 * Asks through an address all the time: by one connection that stays, and by a new one every few milliseconds. Tells how
 * it went. `dataplane_probe.ts serve PORT`, `dataplane_probe.ts ask HOST PORT`.
 */
import { connect, createServer, type Socket } from 'node:net';

const NEW_MS = 20;
const TELL_MS = 50;
const PATIENCE_MS = 3000;

/** What was asked until now. */
export interface Asked {
  /** New connections that were answered, and that were not. */
  readonly answered: number;
  readonly failed: number;
  /** Answers on the connection that stays; -1 when it broke. */
  readonly live: number;
}

const [what, ...words] = process.argv.slice(2);
if (what === 'serve') {
  const echo = (socket: Socket) => socket.on('error', () => socket.destroy()).pipe(socket);
  createServer(echo).listen(Number(words[0]), '::');
} else if (what === 'ask') {
  ask(words[0] ?? '', Number(words[1]));
}

function ask(host: string, port: number): void {
  let [answered, failed, live] = [0, 0, 0];
  const stays = connect(port, host, () => stays.write('x'));
  stays.on('data', () => {
    if (live >= 0) live += 1;
    setTimeout(() => stays.write('x'), NEW_MS);
  });
  const broke = () => {
    live = -1;
  };
  stays.on('error', broke);
  stays.on('close', broke);
  setInterval(() => {
    const socket = connect(port, host, () => socket.end('x'));
    let isAnswered = false;
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on('data', () => {
      isAnswered = true;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (isAnswered) answered += 1;
      else failed += 1;
    });
  }, NEW_MS);
  setInterval(() => console.log(JSON.stringify({ answered, failed, live } satisfies Asked)), TELL_MS);
}
