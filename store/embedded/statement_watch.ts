/** Counts every statement, and makes a span of it where spans are wanted. */
import type { IncomingMessage } from 'node:http';
import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { SCHEMA } from '../schema.ts';
import type { EngineError } from './engine_error.ts';
import type { StoreMetrics } from './metrics.ts';
import { statementFacts } from './statement_facts.ts';
import type { Token } from './tokens.ts';

/** What is known of a request before its statement is. */
export interface Asker {
  /** `reader`, `writer`, or `none` for one whose name or password is wrong. */
  readonly account: string;
  readonly database?: string | undefined;
  readonly queryId?: string;
}

const TABLES = new Set(SCHEMA.tables.map(({ name }) => name));
/** Longest text that a span carries, in characters. */
const SPAN_TEXT = 4096;

/** Makes the watchers of single statements. */
export class StatementWatch {
  readonly #metrics: StoreMetrics;
  readonly #tracer: Tracer | undefined;

  /** @param tracer undefined where no spans are wanted */
  constructor(metrics: StoreMetrics, tracer: Tracer | undefined) {
    this.#metrics = metrics;
    this.#tracer = tracer;
  }

  /** A request has come in. Nothing is counted before it has ended or failed. */
  begin(request: IncomingMessage): WatchedStatement {
    return new WatchedStatement(this.#metrics, this.#tracer, request);
  }
}

/** One statement, from its request's head on. */
export class WatchedStatement {
  readonly #metrics: StoreMetrics;
  readonly #tracer: Tracer | undefined;
  readonly #request: IncomingMessage;
  readonly #begun = performance.now();
  #asker: Asker = { account: 'none' };
  #span: Span | undefined;
  #insertsInto: string | undefined;
  #brings = false;
  #over = false;

  constructor(metrics: StoreMetrics, tracer: Tracer | undefined, request: IncomingMessage) {
    this.#metrics = metrics;
    this.#tracer = tracer;
    this.#request = request;
  }

  /** Who asks is known. */
  by(asker: Asker): void {
    this.#asker = asker;
  }

  /**
   * The statement is known.
   * @param brings whether rows follow it
   */
  is(sql: string, tokens: Iterable<Token>, brings: boolean): void {
    this.#brings = brings;
    if (!brings && this.#tracer === undefined) return;
    const { keyword, database, table, text } = statementFacts(sql, tokens);
    if (brings) this.#insertsInto = table !== undefined && TABLES.has(table) ? table : undefined;
    const { queryId, account } = this.#asker;
    const namespace = database ?? this.#asker.database;
    const summary = table === undefined ? keyword : `${keyword} ${table}`;
    this.#span = this.#tracer?.startSpan(
      summary,
      {
        kind: SpanKind.SERVER,
        startTime: this.#begun,
        attributes: {
          'db.system.name': 'clickhouse',
          ...(namespace === undefined ? {} : { 'db.namespace': namespace }),
          ...(table === undefined ? {} : { 'db.collection.name': table }),
          'db.operation.name': keyword,
          'db.query.summary': summary,
          'db.query.text': text.slice(0, SPAN_TEXT),
          'client.address': this.#request.socket.remoteAddress ?? '',
          'flowspan.store.account': account,
          'flowspan.store.query_id': queryId ?? '',
        },
      },
      propagation.extract(ROOT_CONTEXT, this.#request.headers),
    );
  }

  /** @param rows of the result, or inserted */
  ended(rows: number): void {
    if (!this.#count('ok', rows)) return;
    this.#span?.setAttribute(this.#brings ? 'db.operation.batch.size' : 'db.response.returned_rows', rows);
    this.#span?.end(performance.now());
  }

  failed(error: EngineError): void {
    if (!this.#count(resultOf(error), 0)) return;
    const code = String(error.code);
    this.#span?.setAttributes({ 'db.response.status_code': code, 'error.type': code });
    this.#span?.setStatus({ code: SpanStatusCode.ERROR });
    this.#span?.end(performance.now());
  }

  /** @returns false if it has been counted before */
  #count(result: string, rows: number): boolean {
    if (this.#over) return false;
    this.#over = true;
    const seconds = (performance.now() - this.#begun) / 1000;
    if (this.#brings) this.#metrics.inserted(this.#insertsInto, rows, result, seconds);
    else this.#metrics.queried(this.#asker.account, result, seconds);
    return true;
  }
}

function resultOf({ code, status }: EngineError): string {
  if (code === 394 || code === 210) return 'cancelled';
  if (code === 202) return 'busy';
  if (code === 159) return 'timeout';
  return status < 500 ? 'refused' : 'failed';
}
