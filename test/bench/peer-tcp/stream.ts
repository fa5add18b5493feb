/**
 * Bulk transfers at a fixed rate, the same bytes in every round whatever is lost on their way. Started inside namespaces:
 *   stream.ts receive PORT                                         discards what comes
 *   stream.ts send HOST PORT CONNECTIONS BYTES_PER_SECOND SECONDS  prints `done` when all was acknowledged
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Place, type Program, run, start } from '../../../deploy/lab/program.ts';
import { pinned } from '../kit/cpu.ts';

const FILE = fileURLToPath(import.meta.url);
const TICK_MS = 5;

/** Starts a receiver and leaves it running. */
export function startReceiver(place: Place, port: number): Program {
  return start(place, [process.execPath, FILE, 'receive', String(port)]);
}

/** What a sender is to do. */
export interface Stream {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly bytesPerSecond: number;
  readonly seconds: number;
}

/** Sends, and resolves when all of it has been acknowledged and the connections are closed. */
export async function send(place: Place, stream: Stream, cores: string): Promise<void> {
  const { host, port, connections, bytesPerSecond, seconds } = stream;
  const words = [host, port, connections, bytesPerSecond, seconds].map(String);
  await run(place, pinned(cores, [process.execPath, FILE, 'send', ...words]), (seconds + 60) * 1000);
}

async function sendAll([host = '', ...words]: readonly string[]): Promise<void> {
  const [port = 0, connections = 0, bytesPerSecond = 0, seconds = 0] = words.map(Number);
  const sockets = await Promise.all(
    Array.from({ length: connections }, async (): Promise<Socket> => {
      const socket = connect({ host, port });
      await once(socket, 'connect');
      return socket;
    }),
  );
  const each = Buffer.alloc((bytesPerSecond * seconds) / connections, 'x');
  const began = performance.now();
  for (let sent = 0; sent < each.length; await sleep(TICK_MS)) {
    const due = Math.min(each.length, Math.floor(((performance.now() - began) / 1000 / seconds) * each.length));
    for (const socket of sockets) socket.write(each.subarray(sent, due));
    sent = due;
  }
  await Promise.all(
    sockets.map(async (socket) => {
      socket.resume().end();
      await once(socket, 'close');
    }),
  );
  process.stdout.write('done\n');
}

if (import.meta.main) {
  const [mode, ...words] = process.argv.slice(2);
  if (mode === 'receive')
    createServer((socket) => socket.on('error', () => {}).resume()).listen(Number(words[0]), '::');
  else if (mode === 'send') await sendAll(words);
  else throw new Error(`there is no stream ${mode}`);
}
