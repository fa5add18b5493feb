/**
 * The live feed: rows as JSON over WebSocket, to whoever watches at the moment. Lossy by design and bounded per client:
 * what a client cannot take is left out, counted, and told to it.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { decodeRows } from '../../../store/rowbinary.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS, VERDICTS } from '../../../store/tables.ts';
import type { Counters } from '../counters.ts';
import type { RowSink } from '../pipeline.ts';

export interface LiveOptions {
  readonly counters: Counters;
  readonly maxClients: number;
  /** Bytes that may wait for one client. */
  readonly clientBufferBytes: number;
  /** Rows per second that are decoded at most: watching must not slow the data path. */
  readonly rowsPerSecond: number;
}

const TYPES = new Map<Table, string>([
  [FLOWS, 'flow'],
  [REQUESTS, 'request'],
  [TCP_EVENTS, 'tcp_event'],
  [VERDICTS, 'verdict'],
]);
/** Clients send nothing but pongs. */
const LONGEST_MESSAGE = 1024;
const PING_MS = 20_000;

interface Client {
  readonly socket: WebSocket;
  lost: number;
  answered: boolean;
}

/** Feeds all who watch. */
export class LiveFeed implements RowSink {
  readonly #options: LiveOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: LONGEST_MESSAGE });
  readonly #clients = new Set<Client>();
  readonly #ping: NodeJS.Timeout;
  #second = 0;
  #rows = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#ping = setInterval(() => this.#checkClients(), PING_MS);
    this.#ping.unref();
  }

  /** Clients that watch. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Whether one more may watch. */
  get hasRoom(): boolean {
    return this.#clients.size < this.#options.maxClients;
  }

  /** Makes a client of an HTTP request that asked to be upgraded. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const client: Client = { socket: webSocket, lost: 0, answered: true };
      this.#clients.add(client);
      webSocket.on('close', () => this.#clients.delete(client));
      webSocket.on('error', () => webSocket.terminate());
      webSocket.on('pong', () => {
        client.answered = true;
      });
    });
  }

  wants(table: Table): boolean {
    return this.#clients.size > 0 && TYPES.has(table);
  }

  row(table: Table, bytes: Uint8Array): void {
    if (!this.#withinRate()) {
      for (const client of this.#clients) this.#skip(client);
      return;
    }
    const frame = JSON.stringify({ type: TYPES.get(table), row: decodeRows(table, bytes)[0] });
    for (const client of this.#clients) this.#send(client, frame);
  }

  close(): void {
    clearInterval(this.#ping);
    for (const { socket } of this.#clients) socket.close(1001, 'collector stops');
    this.#server.close();
    for (const { socket } of this.#clients) socket.terminate();
  }

  #send(client: Client, frame: string): void {
    const { socket } = client;
    if (socket.bufferedAmount > this.#options.clientBufferBytes) {
      this.#skip(client);
      return;
    }
    if (client.lost > 0) {
      socket.send(JSON.stringify({ type: 'lost', count: client.lost }));
      client.lost = 0;
    }
    socket.send(frame);
  }

  #skip(client: Client): void {
    client.lost += 1;
    this.#options.counters.discard('live_row_skipped');
  }

  #withinRate(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#rows = 0;
    }
    this.#rows += 1;
    return this.#rows <= this.#options.rowsPerSecond;
  }

  /** Clients that vanished without a word are let go. */
  #checkClients(): void {
    for (const client of this.#clients) {
      if (!client.answered) {
        client.socket.terminate();
        continue;
      }
      client.answered = false;
      client.socket.ping();
    }
  }
}
