/** HTTP by hand: requests that never end, clients that do not read, and crowds of connections. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** What came back until the connection was ended. */
export interface RawAnswer {
  /** Status of the first answer; 0 if there was none. */
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

/** Longest wait for the other side to end a connection, milliseconds. */
const PATIENCE_MS = 15_000;

/** Opens a connection and sends bytes. @param from local address */
export async function openRaw(port: number, bytes: string, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

/** Sends bytes and reads until the other side ends the connection, or has sent a whole answer and waits for more. */
export async function sendRaw(port: number, bytes: string, from?: string): Promise<RawAnswer> {
  const begun = performance.now();
  const socket = await openRaw(port, bytes, from);
  let text = '';
  const ended = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const [head = '', body] = text.split('\r\n\r\n', 2);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
    if (body !== undefined && text.length >= head.length + 4 + length) ended.resolve();
  });
  socket.once('close', () => ended.resolve());
  await Promise.race([ended.promise, wait(PATIENCE_MS, undefined, { ref: false })]);
  socket.destroy();
  const ms = performance.now() - begun;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text, ms };
}

/** Many connections that ask nothing, from several addresses of this machine. */
export class Crowd {
  readonly #port: number;
  readonly #from: readonly string[];
  readonly #sockets = new Set<Socket>();

  constructor(port: number, ...from: string[]) {
    this.#port = port;
    this.#from = from;
  }

  /** How many of them the other side has left open. */
  get left(): number {
    return this.#sockets.size;
  }

  /** Opens so many, some hundreds at a time. */
  async open(count: number): Promise<void> {
    for (let at = 0; at < count; at += 250) {
      const some = Array.from({ length: Math.min(250, count - at) }, (_, index) =>
        this.#one(this.#from[index % this.#from.length]!),
      );
      await Promise.all(some);
    }
  }

  /** Waits until at most so many are left open; returns how many there are when it has waited long enough. */
  async shrunk(to: number): Promise<number> {
    for (let tries = 0; tries < 50 && this.left > to; tries += 1) await wait(100);
    return this.left;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #one(localAddress: string): Promise<void> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress });
    this.#sockets.add(socket);
    return new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.once('connect', resolve);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        resolve();
      });
      socket.resume();
    });
  }
}
