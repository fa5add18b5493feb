/**
 * Random bytes both ways at once, checked at both ends. `stream.ts serve PORT`, or
 * `stream.ts stream HOST PORT CONNECTIONS BYTES READ_MS WRITE_MS`: prints how many connections brought every byte both ways.
 *
 * A client says how many bytes it wants and how long both pause between reads and between writes, writes its own bytes and
 * closes its half; then the server closes its half with two digests: of what it received, and of what it sent.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const HEAD_BYTES = 12;
const DIGEST_BYTES = 32;
const LARGEST_WRITE = 100_000;

const [mode, ...words] = process.argv.slice(2);

/** Writes random bytes in pieces of random size, few large and many small, and returns their digest. */
async function writeRandom(socket: Socket, bytes: number, pauseMs: number): Promise<Buffer> {
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; ) {
    const piece = randomBytes(Math.min(left, Math.ceil(LARGEST_WRITE * Math.random() ** 4)));
    hash.update(piece);
    left -= piece.length;
    if (!socket.write(piece)) await once(socket, 'drain');
    if (pauseMs > 0) await sleep(pauseMs);
  }
  return hash.digest();
}

/** Chunks to the end of the other half, each followed by a pause. */
async function* read(socket: Socket, pauseMs: () => number): AsyncGenerator<Buffer> {
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    yield chunk as Buffer;
    if (pauseMs() > 0) await sleep(pauseMs());
  }
}

async function serveOne(socket: Socket): Promise<void> {
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  let pauseMs = 0;
  let written: Promise<Buffer> | undefined;
  for await (const chunk of read(socket, () => pauseMs)) {
    let bytes = chunk;
    if (written === undefined) {
      head = Buffer.concat([head, bytes]);
      if (head.length < HEAD_BYTES) continue;
      pauseMs = head.readUInt32LE(4);
      written = writeRandom(socket, head.readUInt32LE(0), head.readUInt32LE(8));
      bytes = head.subarray(HEAD_BYTES);
    }
    hash.update(bytes);
  }
  socket.end(Buffer.concat([hash.digest(), (await written) ?? Buffer.alloc(0)]));
}

async function streamOne(host: string, port: number, bytes: number, readMs: number, writeMs: number): Promise<boolean> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(bytes, 0);
  head.writeUInt32LE(readMs, 4);
  head.writeUInt32LE(writeMs, 8);
  socket.write(head);
  const written = writeRandom(socket, bytes, writeMs).then((digest) => {
    socket.end();
    return digest;
  });
  const hash = createHash('sha256');
  let last = Buffer.alloc(0);
  let received = 0;
  for await (const chunk of read(socket, () => readMs)) {
    last = Buffer.concat([last, chunk]);
    const body = last.length - 2 * DIGEST_BYTES;
    if (body > 0) {
      hash.update(last.subarray(0, body));
      received += body;
      last = last.subarray(body);
    }
  }
  const expected = Buffer.concat([await written, hash.digest()]);
  return received === bytes && last.equals(expected);
}

if (mode === 'serve')
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    serveOne(socket).catch(() => socket.destroy());
  }).listen({ port: Number(words[0]), host: '::', backlog: 1024 });
else {
  const [host = '', ...numbers] = words;
  const [port = 0, connections = 1, bytes = 0, readMs = 0, writeMs = 0] = numbers.map(Number);
  const outcomes = await Promise.allSettled(
    Array.from({ length: connections }, () => streamOne(host, port, bytes, readMs, writeMs)),
  );
  const whole = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value).length;
  process.stdout.write(`${whole}\n`);
}
