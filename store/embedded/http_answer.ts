/** How an answer goes out: headers, compression, backpressure, and errors before and after the first byte. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { lastAnswer, type Refusals, statusOf } from '../../collector/src/connections.ts';
import type { Outcome } from './engine.ts';
import { EngineError } from './engine_error.ts';

/** Longest wait for a client that does not read. */
export const STALL_MS = 10_000;

/** Longest wait for a client to take the error that ends a streamed answer. */
const LAST_WORD_MS = 1000;

/** What the engine and the request say about an answer. */
export interface AnswerHead {
  readonly queryId: string;
  readonly format: string;
  readonly encoding: 'gzip' | 'identity';
  readonly timezone: string;
  readonly version: string;
}

/** ClickHouse's counts of one query; as text, because they have 64 bits. Counts the engine does not tell are left out. */
export function summary(outcome: Outcome, inserted: boolean): string {
  const rows = String(outcome.rows);
  const bytes = String(outcome.rowBytes);
  const counts = inserted
    ? { written_rows: rows, written_bytes: bytes, result_rows: rows, result_bytes: bytes }
    : { written_rows: '0', written_bytes: '0', result_rows: rows, result_bytes: bytes };
  return JSON.stringify({ ...counts, elapsed_ns: String(outcome.elapsedNs) });
}

/** One answer to one request. */
export class Answer {
  readonly #response: ServerResponse;
  readonly #head: AnswerHead;
  readonly #tag = randomBytes(8).toString('hex');
  #sink: Writable | undefined;

  constructor(response: ServerResponse, head: AnswerHead) {
    this.#response = response;
    this.#head = head;
  }

  /** Whether the status line is out, so that an error can only be told in the body. */
  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** Sends status and headers. */
  begin(summaryText?: string): void {
    const { queryId, format, encoding, timezone } = this.#head;
    this.#response.writeHead(200, {
      'Content-Type': contentType(format),
      'X-ClickHouse-Query-Id': queryId,
      'X-ClickHouse-Format': format,
      'X-ClickHouse-Timezone': timezone,
      'X-ClickHouse-Exception-Tag': this.#tag,
      ...(summaryText === undefined ? {} : { 'X-ClickHouse-Summary': summaryText }),
      ...(encoding === 'gzip' ? { 'Content-Encoding': 'gzip' } : {}),
    });
    this.#sink = this.#response;
    if (encoding === 'gzip') {
      const gzip = createGzip({ level: 3 });
      gzip.pipe(this.#response);
      gzip.on('error', () => this.#response.destroy());
      this.#response.once('close', () => gzip.destroy());
      this.#sink = gzip;
    }
  }

  /**
   * Sends a piece; waits while the client does not take it.
   * @param gone its reason is thrown if it fires meanwhile
   * @throws EngineError 210 after STALL_MS without the client taking anything
   */
  async write(chunk: Uint8Array, gone: AbortSignal): Promise<void> {
    const sink = this.#sink!;
    gone.throwIfAborted();
    if (sink.write(chunk)) return;
    const stalled = AbortSignal.timeout(STALL_MS);
    try {
      await once(sink, 'drain', { signal: AbortSignal.any([stalled, gone]) });
    } catch (cause) {
      if (gone.aborted) throw gone.reason;
      this.#response.destroy();
      throw new EngineError(210, 'The client stopped reading', { cause });
    }
  }

  /** Ends a whole answer of which nothing was sent yet, or the rest of one. */
  end(): void {
    this.#response.setTimeout(STALL_MS, () => this.#response.destroy());
    this.#sink?.end();
  }

  /** Sends everything at once. */
  all(chunks: readonly Uint8Array[], summaryText: string): void {
    if (this.#head.encoding === 'identity') {
      this.#response.setHeader(
        'Content-Length',
        chunks.reduce((size, chunk) => size + chunk.length, 0),
      );
    }
    this.begin(summaryText);
    for (const chunk of chunks) this.#sink!.write(chunk);
    this.end();
  }

  /** Tells an error: by status where that is still possible, else by ClickHouse's block at the end of the body. */
  fail(error: EngineError): void {
    const text = error.text(this.#head.version);
    if (!this.begun) {
      sendError(this.#response, error, this.#head.version, this.#head.queryId);
      return;
    }
    const mark = '__exception__\r\n';
    this.#sink?.write(`\r\n${mark}${this.#tag}\r\n${text}${Buffer.byteLength(text)} ${this.#tag}\r\n${mark}`);
    this.end();
    // One that does not read will not read this either.
    const drop = setTimeout(() => this.#response.destroy(), LAST_WORD_MS);
    this.#response.once('close', () => clearTimeout(drop));
  }
}

/** An error as ClickHouse answers it, with its number in X-ClickHouse-Exception-Code. */
export function sendError(response: ServerResponse, error: EngineError, version: string, queryId = ''): void {
  const text = error.text(version);
  response.writeHead(error.status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': Buffer.byteLength(text),
    'X-ClickHouse-Exception-Code': error.code,
    ...(queryId === '' ? {} : { 'X-ClickHouse-Query-Id': queryId }),
    ...(error.code === 516 ? { 'WWW-Authenticate': 'Basic realm="ClickHouse"' } : {}),
  });
  response.end(text);
}

/** Errors for those that never come as far as a statement. */
export function connectionRefusals(version: string): Refusals {
  const answer = (status: string, error: EngineError) =>
    lastAnswer(
      status,
      { 'Content-Type': 'text/plain; charset=UTF-8', 'X-ClickHouse-Exception-Code': error.code },
      error.text(version),
    );
  const bad = new EngineError(36, 'The request cannot be read: send HTTP/1.1');
  const late = new EngineError(159, 'Timeout exceeded: the request came too slowly');
  return {
    full: answer('429 Too Many Requests', new EngineError(202, 'Too many simultaneous connections: close some')),
    bad: (code) => answer(statusOf(code), code === 'ERR_HTTP_REQUEST_TIMEOUT' ? late : bad),
  };
}

/** Content type that ClickHouse sends with a format. */
function contentType(format: string): string {
  if (/^JSON.*EachRow/i.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (/^JSON/i.test(format)) return 'application/json; charset=UTF-8';
  if (/^CSV/i.test(format)) return `text/csv; charset=UTF-8; header=${/Names/i.test(format) ? 'present' : 'absent'}`;
  if (/^(?:TSV|TabSeparated)/i.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(?:Native|RowBinary|Parquet|Arrow|ORC|Avro|MsgPack|Protobuf|BSON|Npy)/i.test(format)) {
    return 'application/octet-stream';
  }
  if (/^XML$/i.test(format)) return 'application/xml; charset=UTF-8';
  return 'text/plain; charset=UTF-8';
}
