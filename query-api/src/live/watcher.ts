/** One client of the live feed: what it wants, and a bounded queue to it. */
import type { WebSocket } from 'ws';
import type { EndpointMatcher } from '../filter/match.ts';
import { filtersHold } from '../filter/match.ts';
import { inScope, type Scope } from '../scope.ts';
import type { LiveQuestion, LiveType } from './question.ts';

/** Most that waits for one slow client, in bytes; beyond it rows are left out and counted. */
export const QUEUE_BYTES = 1024 * 1024;

/** Sends rows to one client that pass its filters. */
export class Watcher {
  readonly question: LiveQuestion;
  readonly #socket: WebSocket;
  readonly #scope: Scope;
  #left = 0;

  constructor(socket: WebSocket, question: LiveQuestion, scope: Scope) {
    this.#socket = socket;
    this.question = question;
    this.#scope = scope;
  }

  /** Whether the row is wanted. */
  wants(type: LiveType, row: Readonly<Record<string, unknown>>, endpoints: EndpointMatcher): boolean {
    const filters = this.question.filters.get(type);
    return filters !== undefined && inScope(this.#scope, row) && filtersHold(filters, row, endpoints);
  }

  /** Sends a frame, unless too much waits already. */
  send(frame: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > QUEUE_BYTES) {
      this.#left += 1;
      return;
    }
    this.#tellLost();
    this.#socket.send(frame);
  }

  /** Tells what was left out, when there is room again. */
  tick(): void {
    if (this.#socket.bufferedAmount <= QUEUE_BYTES) this.#tellLost();
  }

  /** Ends the connection. */
  close(reason: string): void {
    this.#socket.close(1001, reason);
  }

  /** Ends it without a word, for those that do not answer. */
  terminate(): void {
    this.#socket.terminate();
  }

  #tellLost(): void {
    if (this.#left === 0 || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: 'lost', reason: 'slow_client', count: String(this.#left) }));
    this.#left = 0;
  }
}
