/**
 * A server that answers badly: by connection, with nothing, with random bytes, with half an answer, with an answer
 * nobody asked for, or with one that contradicts itself. Usage: mute-server.ts PORT SEED
 */
import { createServer } from 'node:net';
import { random } from './abuser.ts';

const ANSWERS: readonly ((chance: () => number) => string | Buffer)[] = [
  () => '',
  (chance) => Buffer.from(Array.from({ length: 500 }, () => Math.floor(chance() * 256))),
  () => 'HTTP/1.1 200 OK\r\nContent-Le',
  () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 unasked\r\nContent-Length: 0\r\n\r\n',
  () => 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello',
  () => 'HTTP/1.1 99999 no\r\n\r\n',
  () => 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50),
];

const chance = random(Number(process.argv[3]));
let connections = 0;
createServer((socket) => {
  const answer = ANSWERS[connections % ANSWERS.length];
  connections += 1;
  socket.on('error', () => {});
  socket.on('data', () => {
    if (!socket.destroyed) socket.write(answer?.(chance) ?? '');
  });
}).listen(Number(process.argv[2]), '::');
