/** One collector's live feed, connected as long as it is wanted. */
import { WebSocket } from 'ws';

/** A frame of a collector's feed. */
export type FeedFrame =
  | { readonly type: 'flow' | 'request' | 'tcp_event' | 'verdict'; readonly row: Record<string, unknown> }
  | { readonly type: 'lost'; readonly count: number };

/** Who is told. */
export interface FeedListener {
  readonly frame: (frame: FeedFrame) => void;
  /** The feed cannot be had, or broke off; it is tried again. */
  readonly failed: (collector: string, reason: string) => void;
}

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
const HANDSHAKE_MS = 5_000;
/** Longest frame that is taken. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** Keeps one connection to a collector's /live. */
export class CollectorFeed {
  readonly #url: string;
  readonly #token: string;
  readonly #listener: FeedListener;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #stopped = false;

  /**
   * Connects.
   * @param collector its URL, such as http://127.0.0.1:7471
   * @param token shown to it; empty: none
   */
  constructor(collector: string, token: string, listener: FeedListener) {
    this.#url = `${collector.replace(/^http/, 'ws').replace(/\/$/, '')}/live`;
    this.#token = token;
    this.#listener = listener;
    this.#connect();
  }

  /** Ends the connection for good. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #connect(): void {
    const headers = this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` };
    const socket = new WebSocket(this.#url, {
      headers,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let reason = '';
    socket.on('open', () => {
      this.#retryMs = FIRST_RETRY_MS;
    });
    socket.on('message', (data) => {
      if (!this.#stopped) this.#take(String(data));
    });
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.on('close', (code) => {
      if (this.#stopped) return;
      this.#listener.failed(this.#url, reason === '' ? `closed with ${code}` : reason);
      this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    });
  }

  #take(text: string): void {
    let frame: FeedFrame;
    try {
      frame = JSON.parse(text) as FeedFrame;
    } catch {
      this.#listener.failed(this.#url, 'a frame is no JSON');
      return;
    }
    this.#listener.frame(frame);
  }
}
