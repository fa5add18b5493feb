/**
 * Sends answers to scrapes piece by piece. All scrapes together render one piece at a time, with a turn for everything
 * else before the next; a scraper that reads slowly waits for itself alone, and not for ever.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MetricsAnswer } from '../../telemetry/metrics_page.ts';

/** Scrapes answered at the same time; more are refused. */
const MOST_SCRAPES = 4;
/** How long a scrape may take: Prometheus' own default. */
const SCRAPE_MS = 10_000;

export interface ScrapesOptions {
  /** The answer, written while it is sent. @param accept the request's Accept header */
  readonly pieces: (accept: string | undefined) => MetricsAnswer<AsyncGenerator<string>>;
  /** Milliseconds after which a scrape is cut off; default 10 s. */
  readonly longestMs?: number;
}

/** Answers the scrapes of one page. */
export class Scrapes {
  readonly #options: ScrapesOptions;
  #active = 0;
  /** The piece that is rendered now, or the last one that was. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ScrapesOptions) {
    this.#options = options;
  }

  /** Whether one more scrape may begin; otherwise it is to be refused. */
  get hasRoom(): boolean {
    return this.#active < MOST_SCRAPES;
  }

  /**
   * Answers one request, HEAD without a body.
   * @throws whatever making the answer throws, while nothing has been sent
   */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const { contentType, body } = this.#options.pieces(request.headers.accept);
    response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    this.#active += 1;
    this.#send(response, body)
      .catch(() => response.destroy())
      .finally(() => {
        this.#active -= 1;
      });
  }

  async #send(response: ServerResponse, body: AsyncGenerator<string>): Promise<void> {
    const { longestMs = SCRAPE_MS } = this.#options;
    const cutOff = setTimeout(() => response.destroy(), longestMs);
    try {
      for (;;) {
        const piece = await this.#next(body);
        if (piece.done === true || response.destroyed) break;
        if (!response.write(piece.value)) await drained(response);
      }
      response.end();
    } finally {
      clearTimeout(cutOff);
      await body.return(undefined);
    }
  }

  /** The next piece of an answer, when those of other scrapes that were asked for before are done. */
  #next(body: AsyncGenerator<string>): Promise<IteratorResult<string, unknown>> {
    const next = this.#last.then(() => body.next());
    this.#last = next.catch(() => undefined);
    return next;
  }
}

/** Resolves when a response takes more, or never will. */
function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
