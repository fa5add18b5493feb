/**
 * A client and a server that do what a script says, byte for byte. Run by tests inside a namespace:
 *   scripted.ts serve PORT SCRIPT        plays the script on every connection, until it is stopped
 *   scripted.ts ask HOST PORT SCRIPT     plays it once and ends
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Place, type Program, run, start } from '../../../deploy/lab/program.ts';

const FILE = fileURLToPath(import.meta.url);

/**
 * What to do next: send text, at once, byte by byte or many times; wait, in milliseconds; read until the text has come; wait until
 * the file is there; end; reset.
 */
export type Step =
  | ['send' | 'bytes' | 'until' | 'file', string]
  | ['many', string, number]
  | ['wait', number]
  | ['end']
  | ['reset'];

export function serve(place: Place, port: number, script: readonly Step[]): Program {
  return start(place, [process.execPath, FILE, 'serve', String(port), JSON.stringify(script)]);
}

export function ask(place: Place, host: string, port: number, script: readonly Step[]): Promise<string> {
  return run(place, [process.execPath, FILE, 'ask', host, String(port), JSON.stringify(script)]);
}

/** The same, left running. */
export function startAsking(place: Place, host: string, port: number, script: readonly Step[]): Program {
  return start(place, [process.execPath, FILE, 'ask', host, String(port), JSON.stringify(script)]);
}

async function send(socket: Socket, text: string): Promise<void> {
  if (!socket.write(Buffer.from(text, 'latin1'))) await once(socket, 'drain');
}

async function play(socket: Socket, script: readonly Step[]): Promise<void> {
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').catch(() => undefined);
  for (const [what, value, count] of script) {
    if (what === 'send') await send(socket, value);
    else if (what === 'many') await send(socket, value.repeat(count));
    else if (what === 'wait') await sleep(value);
    else if (what === 'file') while (!existsSync(value)) await sleep(10);
    else if (what === 'end') socket.end();
    else if (what === 'reset') socket.resetAndDestroy();
    else if (what === 'bytes')
      for (const byte of value) {
        await send(socket, byte);
        await sleep(1);
      }
    else {
      for (let tries = 0; !received.includes(value) && !socket.closed && tries < 10_000; tries += 1) await sleep(1);
      received = received.slice(received.indexOf(value) + value.length);
    }
  }
  await closed;
}

async function main([mode, ...args]: string[]): Promise<void> {
  if (mode === 'serve') {
    const script = JSON.parse(args[1] ?? '') as Step[];
    createServer({ noDelay: true }, (socket) => void play(socket, script)).listen(Number(args[0]));
    return;
  }
  const socket = connect({ host: args[0] ?? '', port: Number(args[1]), noDelay: true });
  await once(socket, 'connect');
  await play(socket, JSON.parse(args[2] ?? '') as Step[]);
}

if (process.argv[1] === FILE) await main(process.argv.slice(2));
