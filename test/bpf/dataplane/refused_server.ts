/**
 * A server that writes a verdict on each connection into a map before it greets: `refused_server.ts PORT MAP ANSWER BYTES`.
 * It says `ready`, then BYTES more, and prints a line per connection: bytes it was given, and how that ended.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

const [port, map = '', answer = '0', bytes] = process.argv.slice(2);

/** The verdict's key is a descriptor, so the program that writes it is given one. */
async function refuse(socket: Socket): Promise<void> {
  // A socket that is passed as a stream is not read from any more here.
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const words = [
    'map',
    'update',
    'pinned',
    map,
    'key',
    '3',
    '0',
    '0',
    '0',
    'value',
    answer,
    '0',
    '0',
    '0',
    `${GREETING.length}`,
    '0',
    '0',
    '0',
  ];
  const [code] = await once(spawn('bpftool', words, { stdio: ['ignore', 'inherit', 'inherit', fd] }), 'exit');
  if (code !== 0) throw new Error(`bpftool ended with ${code}`);
}

const GREETING = Buffer.from('ready\n');
const more = Buffer.alloc(Number(bytes), 'r');

createServer(async (socket) => {
  let received = 0;
  let end = 'end';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code ?? '';
  });
  socket.on('close', () => process.stdout.write(`${received} ${end}\n`));
  if (answer !== '0') await refuse(socket);
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  socket.write(Buffer.concat([GREETING, more]));
}).listen({ port: Number(port), host: '::' });
