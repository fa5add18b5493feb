/** A FAKE collector: speaks the feed of a collector's /live and nothing else, with rows that tests hand it. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { decodeRows, encodeRow } from '../../store/rowbinary.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS, VERDICTS } from '../../store/tables.ts';

const TYPES = new Map<Table, string>([
  [FLOWS, 'flow'],
  [REQUESTS, 'request'],
  [TCP_EVENTS, 'tcp_event'],
  [VERDICTS, 'verdict'],
]);

/** Serves /live on a free port. */
export class FakeCollector {
  readonly #server: WebSocketServer;
  /** Authorization headers of those who connected. */
  readonly shown: (string | undefined)[] = [];

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (_socket, request) => {
      this.shown.push(request.headers.authorization);
    });
  }

  static async start(port = 0): Promise<FakeCollector> {
    const server = new WebSocketServer({ host: '127.0.0.1', port, path: '/live' });
    await once(server, 'listening');
    return new FakeCollector(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Clients that are connected now. */
  get clients(): number {
    return this.#server.clients.size;
  }

  /** Sends a row as a collector does: encoded, decoded, as JSON. */
  row(table: Table, row: Readonly<Record<string, unknown>>): void {
    this.frame(JSON.stringify({ type: TYPES.get(table), row: decodeRows(table, encodeRow(table, row))[0] }));
  }

  frame(text: string): void {
    for (const client of this.#server.clients as Set<WebSocket>) client.send(text);
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
