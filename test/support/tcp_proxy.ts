/** A TCP proxy in front of a server, for what a server does not do by itself: fall silent, or be slow. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePorts } from './flowspan.ts';

/**
 * `open`: bytes go through. `silent`: connections stay as they are, new ones are taken, nothing goes through any of
 * them any more, then and later. `slow`: answers come in drops. `closed`: connections end, new ones are refused.
 */
export type Weather = 'open' | 'silent' | 'slow' | 'closed';

/** Bytes of an answer that go through at once where it is slow, and the pause between, milliseconds: 40 kB/s. */
const DROP_BYTES = 2_000;
const DROP_MS = 50;

/** A running proxy on 127.0.0.1. */
export class TcpProxy {
  readonly port: number;
  readonly #target: number;
  #server: Server | undefined;
  #weather: Weather = 'open';
  readonly #pairs = new Set<Socket[]>();

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  /** @param target port of 127.0.0.1 */
  static async start(target: number): Promise<TcpProxy> {
    const [port = 0] = await freePorts(1);
    const proxy = new TcpProxy(port, target);
    await proxy.#listen();
    return proxy;
  }

  /** How it is from now on. What was silent stays so until it is cut. */
  async set(weather: Weather): Promise<void> {
    this.#weather = weather;
    if (weather === 'silent') for (const socket of [...this.#pairs].flat()) silence(socket);
    if (weather === 'closed') await this.stop();
    else if (this.#server === undefined) await this.#listen();
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of [...this.#pairs].flat()) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cut();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  }

  #listen(): Promise<void> {
    const server = createServer((client) => this.#take(client));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  #take(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    if (this.#weather === 'silent') for (const socket of pair) silence(socket);
    else {
      client.pipe(server);
      if (this.#weather === 'slow') trickle(server, client);
      else server.pipe(client);
    }
  }
}

/** Takes what comes and passes nothing on. */
function silence(socket: Socket): void {
  socket.unpipe();
  socket.removeAllListeners('data');
  socket.resume();
}

function trickle(from: Socket, to: Socket): void {
  from.on('data', (chunk: Buffer) => {
    from.pause();
    let at = 0;
    const timer = setInterval(() => {
      if (!to.destroyed) to.write(chunk.subarray(at, at + DROP_BYTES));
      at += DROP_BYTES;
      if (at < chunk.length) return;
      clearInterval(timer);
      from.resume();
    }, DROP_MS);
  });
}
