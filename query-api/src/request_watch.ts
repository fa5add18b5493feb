/** Counts every HTTP request, and makes a span of it where spans are wanted. */
import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HTTP_METHODS } from '../../store/http_methods.ts';
import type { App } from './context.ts';
import type { QueryApiMetrics } from './metrics.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Whether the answer is complete; undefined for those that do not say. */
    complete: boolean | undefined;
  }
}

/** Paths that machines ask all the time: a span only for those who trace themselves. */
const ASKED_ALL_THE_TIME = new Set(['/healthz', '/readyz', '/metrics']);
const METHODS = new Set(HTTP_METHODS);

/**
 * Adds the hook; before all others, so that it sees those that are refused.
 * @param tracer undefined where no spans are wanted
 */
export function watchRequests(app: App, metrics: QueryApiMetrics, tracer: Tracer | undefined): void {
  app.decorateReply('complete', undefined);
  app.addHook('onRequest', (request, reply, done) => {
    // a live feed lasts as long as somebody watches: it is no request, and has a gauge of its own
    if (request.headers.upgrade !== undefined) return done();
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = tracer !== undefined && deservesSpan(request) ? begin(tracer, request, parent) : undefined;
    const begun = performance.now();
    metrics.begin();
    // not onResponse: that is not called when the client has gone
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.statusCode : undefined;
      metrics.end(routeOf(request) ?? 'none', status, (performance.now() - begun) / 1000, reply.complete);
      if (span !== undefined) end(span, request, reply, status);
    });
    if (span === undefined) done();
    else context.with(trace.setSpan(parent, span), done);
  });
}

function routeOf(request: FastifyRequest): string | undefined {
  return request.is404 ? undefined : request.routeOptions.url;
}

function deservesSpan(request: FastifyRequest): boolean {
  const path = request.url.split('?')[0] as string;
  return request.headers.traceparent !== undefined || !ASKED_ALL_THE_TIME.has(path);
}

/** Values of the query string stay out: they may be anybody's secrets. */
function begin(tracer: Tracer, request: FastifyRequest, parent: typeof ROOT_CONTEXT): Span {
  const method = METHODS.has(request.method) ? request.method : '_OTHER';
  const userAgent = request.headers['user-agent'];
  return tracer.startSpan(
    method === '_OTHER' ? 'HTTP' : method,
    {
      kind: SpanKind.SERVER,
      attributes: {
        'http.request.method': method,
        ...(method === '_OTHER' ? { 'http.request.method_original': request.method } : {}),
        'url.scheme': 'http',
        'url.path': request.url.split('?')[0] as string,
        'server.address': request.hostname,
        ...(request.port === null ? {} : { 'server.port': request.port }),
        'client.address': request.ip,
        'network.peer.address': request.ip,
        'network.protocol.version': request.raw.httpVersion,
        ...(userAgent === undefined ? {} : { 'user_agent.original': userAgent }),
      },
    },
    parent,
  );
}

function end(span: Span, request: FastifyRequest, reply: FastifyReply, status: number | undefined): void {
  const route = routeOf(request);
  if (route !== undefined) {
    span.setAttribute('http.route', route);
    span.updateName(`${request.method} ${route}`);
  }
  if (reply.complete !== undefined) span.setAttribute('flowspan.answer.complete', reply.complete);
  if (status !== undefined) span.setAttribute('http.response.status_code', status);
  const error = status === undefined ? 'client_gone' : status >= 500 ? String(status) : undefined;
  if (error !== undefined) {
    span.setAttribute('error.type', error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
