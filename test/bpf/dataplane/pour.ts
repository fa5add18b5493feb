/**
 * Bytes without an end that say where they belong: each four are the number of the four before plus one. `pour.ts read PORT`
 * prints a line per connection: how many bytes came before its end, and `right`, or where they went wrong.
 * `pour.ts write HOST PORT` writes until it cannot, and prints why.
 */
import { connect, createServer, type Socket } from 'node:net';

const PIECE_WORDS = 5000;

const [mode, ...words] = process.argv.slice(2);

function readOne(socket: Socket): void {
  let received = 0;
  let wrong: number | undefined;
  socket.on('data', (chunk) => {
    for (let i = 0; i < chunk.length; i += 1) {
      const at = received + i;
      if (chunk[i] !== (((at >>> 2) >>> ((at & 3) * 8)) & 0xff)) wrong ??= at;
    }
    received += chunk.length;
  });
  socket.on('error', () => {});
  socket.on('close', () => process.stdout.write(`${received} ${wrong ?? 'right'}\n`));
}

function pour(socket: Socket): void {
  let next = 0;
  const more = () => {
    let room = true;
    while (room) {
      const piece = Buffer.alloc(4 * Math.ceil(Math.random() * PIECE_WORDS));
      for (let i = 0; i < piece.length; i += 4) piece.writeUInt32LE(next++, i);
      room = socket.write(piece);
    }
  };
  socket.on('drain', more);
  socket.on('connect', more);
  socket.on('error', (error: NodeJS.ErrnoException) => process.stdout.write(`${error.code}\n`));
}

if (mode === 'read') createServer(readOne).listen({ port: Number(words[0]), host: '::' });
else pour(connect({ host: words[0], port: Number(words[1]) }));
