/** A TCP proxy in front of a server that breaks off connections where it hurts: before an answer, or within a body. */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `open`: bytes go through. `swallow`: what is asked reaches the server, its answers end the connection instead of going
 * through. `hold`: answers do not come, and the connection stays. `cut`: the connection ends within what is asked.
 * `closed`: connections end at once.
 */
export type Manner = 'open' | 'swallow' | 'hold' | 'cut' | 'closed';

/** Bytes of a request that go through where it is cut: its head, and some rows. */
const CUT_BYTES = 20_000;

/** A running proxy on 127.0.0.1. */
export class AnswerCutter {
  /** Port of the server; may change. */
  target: number;
  manner: Manner = 'open';
  /** How often something was kept from going through since `manner` was set. */
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number, server: Server) {
    this.target = target;
    this.#server = server;
    server.on('connection', (client) => this.#take(client));
  }

  static async start(target: number): Promise<AnswerCutter> {
    const server = createServer();
    const cutter = new AnswerCutter(target, server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return cutter;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How it is from now on; connections that are there end. */
  set(manner: Manner): void {
    this.manner = manner;
    this.cuts = 0;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.set('closed');
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(client: Socket): void {
    if (this.manner === 'closed') {
      this.cuts += 1;
      client.on('error', () => undefined);
      return void client.destroy();
    }
    const server = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    let passed = 0;
    client.on('data', (bytes: Buffer) => {
      passed += bytes.length;
      if (this.manner !== 'cut' || passed < CUT_BYTES) return void server.write(bytes);
      this.cuts += 1;
      server.end(bytes.subarray(0, Math.max(0, CUT_BYTES - passed + bytes.length)), () => client.destroy());
    });
    server.on('data', (bytes: Buffer) => {
      if (this.manner === 'open' || this.manner === 'cut') return void client.write(bytes);
      this.cuts += 1;
      if (this.manner === 'swallow') client.destroy();
    });
  }
}
