/** Measures every query to ClickHouse, and makes a span of it where spans are wanted. */
import { ClickHouseError } from '@clickhouse/client';
import { context, propagation, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { clickhouseAttributes } from '../../collector/src/telemetry/own_spans.ts';
import type { QueryError } from './errors.ts';
import type { QueryApiMetrics } from './metrics.ts';

/** One query under way. */
export interface WatchedQuery {
  /** Headers to send along: they let ClickHouse's own spans follow. */
  readonly headers: Record<string, string>;
  ended(rows: number): void;
  failed(error: QueryError): void;
}

/** Told of every query that is sent. */
export interface QueryWatch {
  begin(sql: string): WatchedQuery;
}

/** For those who do not want to know. */
export const NO_WATCH: QueryWatch = { begin: () => ({ headers: {}, ended() {}, failed() {} }) };

/** Where the queries go. */
export interface QueryTarget {
  readonly url: string;
  readonly database: string;
}

/** @param tracer undefined where no spans are wanted */
export function watchQueries(metrics: QueryApiMetrics, tracer: Tracer | undefined, target: QueryTarget): QueryWatch {
  const common = { ...clickhouseAttributes(target), 'db.operation.name': 'SELECT' };
  return {
    begin(sql) {
      const begun = performance.now();
      const measure = (result: string) => metrics.storeQuery(result, (performance.now() - begun) / 1000);
      if (tracer === undefined) {
        return { headers: {}, ended: () => measure('ok'), failed: ({ code }) => measure(code) };
      }
      const table = tableOf(sql);
      const name = table === undefined ? 'SELECT' : `SELECT ${table}`;
      const span = tracer.startSpan(name, {
        kind: SpanKind.CLIENT,
        attributes: {
          ...common,
          ...(table === undefined ? {} : { 'db.collection.name': table }),
          'db.query.summary': name,
          // values are bound: the text holds placeholders only
          'db.query.text': sql,
        },
      });
      const headers: Record<string, string> = {};
      propagation.inject(trace.setSpan(context.active(), span), headers);
      return {
        headers,
        ended(rows) {
          measure('ok');
          span.setAttribute('db.response.returned_rows', rows).end();
        },
        failed(error) {
          measure(error.code);
          const { cause } = error.details;
          if (cause instanceof ClickHouseError) span.setAttribute('db.response.status_code', cause.code);
          span.setAttribute('error.type', error.code).setStatus({ code: SpanStatusCode.ERROR }).end();
        },
      };
    },
  };
}

/** The first table that a query reads. */
function tableOf(sql: string): string | undefined {
  return /\bFROM\s+(?:\w+\.)?([a-z_]\w*)/.exec(sql)?.[1];
}
