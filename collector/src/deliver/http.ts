/** The collector's own HTTP: health, readiness, status, metrics and the live feed. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { FlowspanError } from '../../../store/errors.ts';
import { guardConnections, lastAnswer, SLOW_REQUESTS, statusOf } from '../connections.ts';
import type { LiveFeed } from './live.ts';
import { Scrapes } from './prometheus/scrapes.ts';

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  /** Bearer token that status, metrics and live feed ask for; empty: none. */
  readonly token: string;
  readonly live: LiveFeed;
  /** Reasons why the collector does not do its whole work yet; empty when it does. */
  readonly notReady: () => readonly string[];
  /** Body of GET /status. */
  readonly status: () => unknown;
  /** Who answers which path with metrics. */
  readonly metrics: ReadonlyMap<string, Scrapes>;
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Browsers say where a page came from; only pages of this very address may look. */
function fromElsewhere(request: IncomingMessage): boolean {
  const { origin, host } = request.headers;
  return origin !== undefined && URL.parse(origin)?.host !== host;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const problem = (status: number, title: string, detail: string, headers: Record<string, string> = {}): Answer => ({
  status,
  headers,
  body: { type: 'about:blank', status, title, detail },
});

function reply(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': status >= 400 && 'title' in (body as object) ? 'application/problem+json' : 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}

/** A problem for those that never come as far as a request. */
function refusal(status: string, title: string, detail: string): string {
  const { body } = problem(Number.parseInt(status, 10), title, detail);
  return lastAnswer(status, { 'content-type': 'application/problem+json' }, `${JSON.stringify(body)}\n`);
}

/** Serves until it is closed. */
export class CollectorHttp {
  readonly #options: HttpOptions;
  readonly #server: Server;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#server = createServer(
      { ...SLOW_REQUESTS, requestTimeout: SLOW_REQUESTS.headersTimeout, maxHeaderSize: 8192 },
      (request, response) => this.#handle(request, response),
    );
    guardConnections(this.#server, {
      full: refusal('503 Service Unavailable', 'Busy', 'there are too many connections: close some'),
      bad: (code) => refusal(statusOf(code), 'Bad request', `it is not understood or came too slowly (${code})`),
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /**
   * @returns the port it listens on
   * @throws FlowspanError FLOW_COLLECTOR_LISTEN if it cannot
   */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const message = `${host}:${port} cannot be listened on (${cause.message}): set collector.listen to another address`;
        reject(new FlowspanError('FLOW_COLLECTOR_LISTEN', message, { cause }));
      });
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#options.live.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const answer = this.#answer(request);
    if (!(answer instanceof Scrapes)) {
      reply(response, answer);
      return;
    }
    if (!answer.hasRoom) {
      reply(response, problem(503, 'Busy', 'other scrapes are being answered: ask again', { 'retry-after': '1' }));
      return;
    }
    try {
      answer.answer(request, response);
    } catch (error) {
      reply(response, problem(503, 'Not to be had', (error as Error).message));
    }
  }

  #answer(request: IncomingMessage): Answer | Scrapes {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return problem(405, 'Method not allowed', 'allowed are GET and HEAD', { allow: 'GET, HEAD' });
    }
    const path = (request.url ?? '').split('?')[0] as string;
    const scrapes = this.#options.metrics.get(path);
    if ((path === '/status' || scrapes !== undefined) && !this.#allowed(request)) {
      return problem(401, 'Unauthorized', 'send Authorization: Bearer <collector.token>', {
        'www-authenticate': 'Bearer',
      });
    }
    if (scrapes !== undefined) return scrapes;
    switch (path) {
      case '/healthz':
        return { status: 200, body: { status: 'ok' } };
      case '/readyz': {
        const reasons = this.#options.notReady();
        return { status: reasons.length === 0 ? 200 : 503, body: { ready: reasons.length === 0, reasons } };
      }
      case '/status':
        return { status: 200, body: this.#options.status() };
      default:
        return problem(404, 'Not found', 'there are /healthz, /readyz, /status, /metrics and the WebSocket /live');
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (line: string) => socket.end(`HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    socket.on('error', () => socket.destroy());
    if ((request.url ?? '').split('?')[0] !== '/live') return void refuse('404 Not Found');
    if (fromElsewhere(request)) return void refuse('403 Forbidden');
    if (!this.#allowed(request)) return void refuse('401 Unauthorized');
    if (!this.#options.live.hasRoom) return void refuse('503 Service Unavailable');
    this.#options.live.accept(request, socket, head);
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#options;
    return token === '' || same(request.headers.authorization ?? '', `Bearer ${token}`);
  }
}
