/**
 * `answering_server.ts PORT`: an HTTP server whose answers are those of answers.ts, by the request's path, each written when
 * the one before is. Prints each request's method and path.
 */
import { createServer, type Socket } from 'node:net';
import { ANSWERS } from './answers.ts';

/** Between the parts of an answer. */
const PAUSE_MS = 60;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function answer(socket: Socket, method: string, path: string): Promise<void> {
  const parts = ANSWERS[path] ?? ['HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'];
  for (const [index, part] of parts.entries()) {
    if (index > 0) await pause(PAUSE_MS);
    socket.write(method === 'HEAD' ? part.replace(/\r\n\r\n.*/s, '\r\n\r\n') : part);
  }
}

createServer({ noDelay: true }, (socket) => {
  let text = '';
  let last: Promise<void> = Promise.resolve();
  let isSwitched = false;
  socket.on('error', (error: NodeJS.ErrnoException) => console.log(error.code));
  socket.on('data', (bytes) => {
    if (isSwitched) {
      socket.write(bytes);
      return;
    }
    text += bytes.toString('latin1');
    for (;;) {
      const head = /^(\S+) (\S+) .*?\r\n\r\n/s.exec(text);
      if (head === null) return;
      text = text.slice(head[0].length);
      const [, method = '', path = ''] = head;
      console.log(`${method} ${path}`);
      last = last.then(() => answer(socket, method, path));
      isSwitched = path === '/switch';
    }
  });
}).listen(Number(process.argv[2]), '::');
