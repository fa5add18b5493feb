/** The HTTP server of the query API: its parts put together, not yet listening. */
import fastifySwagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastifyWebsocket from '@fastify/websocket';
import type { Tracer } from '@opentelemetry/api';
import Fastify, { type FastifyBaseLogger, type FastifyError, LogController } from 'fastify';
import { guardConnections, lastAnswer, SLOW_REQUESTS, statusOf } from '../../collector/src/connections.ts';
import { checkAccess, LIVE_PROTOCOL } from './access.ts';
import type { App, Context } from './context.ts';
import { PROBLEM_TYPE, problemOf, QueryError } from './errors.ts';
import type { LiveHub } from './live/hub.ts';
import type { QueryApiMetrics } from './metrics.ts';
import type { Access, Limits } from './options.ts';
import { watchRequests } from './request_watch.ts';
import { addAuditRoute } from './routes/audit.ts';
import { addEdgesRoute } from './routes/edges.ts';
import { addEndpointsRoute } from './routes/endpoints.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addLiveRoute } from './routes/live.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addPolicyCheckRoute } from './routes/policy_check.ts';
import { addRequestByIdRoute } from './routes/request_by_id.ts';
import { addRowRoute } from './routes/rows.ts';
import { EVERYTHING } from './scope.ts';
import { FLOWS_DEFINITION } from './sql/flows.ts';
import { REQUESTS_DEFINITION } from './sql/requests.ts';
import { TCP_EVENTS_DEFINITION } from './sql/tcp_events.ts';
import { VERDICTS_DEFINITION } from './sql/verdicts.ts';
import type { Store } from './store.ts';

/** What the server is put together from. */
export interface AppParts {
  readonly store: Store;
  readonly hub: LiveHub;
  readonly limits: Limits;
  readonly access: Access;
  /** Address ranges of proxies whose X-Forwarded-For says who asks. */
  readonly trustedProxies: readonly string[];
  readonly logger: FastifyBaseLogger;
  readonly version: string;
  readonly metrics: QueryApiMetrics;
  /** Undefined where no spans are wanted. */
  readonly tracer?: Tracer | undefined;
}

/** Paths that answer without a token: they tell nothing but that the process is there. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

/** Longest frame a watcher may send; they have nothing to say. */
const MAX_WATCHER_FRAME = 1024;

/** Builds the server. The caller listens and closes. */
export async function buildApp(parts: AppParts): Promise<App> {
  const { store, hub, limits, access, logger, version, metrics } = parts;
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: SLOW_REQUESTS.headersTimeout,
    http: SLOW_REQUESTS,
    routerOptions: { maxParamLength: 512 },
    trustProxy: parts.trustedProxies.length > 0 && [...parts.trustedProxies],
  }).withTypeProvider<TypeBoxTypeProvider>();
  guardConnections(app.server, {
    full: refusal('429 Too Many Requests', 'FLOW_QUERY_TOO_MANY_CONNECTIONS', 'there are too many connections'),
    bad: (code) => refusal(statusOf(code), 'FLOW_QUERY_BAD_REQUEST', `it cannot be read or came too slowly (${code})`),
  });
  watchRequests(app, metrics, parts.tracer);
  // Parameters are read by question.ts, which says what is allowed; answers are built to their schema by fields.ts.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler<FastifyError | QueryError>((error, request, reply) => {
    const shown = error instanceof QueryError ? error : fromFastify(error);
    const problem = problemOf(shown, request.url);
    logProblem(request.log, error, Number(problem.status));
    // nobody reads a connection whose upgrade was refused: left open it would never end
    if (request.headers.upgrade !== undefined) {
      reply.header('connection', 'close').raw.once('finish', () => request.raw.socket.destroySoon());
    }
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="flowspan"');
    return reply
      .code(Number(problem.status))
      .type(PROBLEM_TYPE)
      .serializer((data: unknown) => JSON.stringify(data))
      .send(problem);
  });
  app.setNotFoundHandler((request) => {
    throw new QueryError(404, 'FLOW_QUERY_NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`, {
      allowed: 'the paths of /openapi.json',
    });
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  app.addHook('onRequest', async (request) => {
    if (!OPEN_PATHS.has(request.url.split('?')[0] ?? '')) checkAccess(access, request.headers);
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Flowspan query API', version, description: DESCRIPTION, license: { name: 'Apache-2.0' } },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }, {}],
    },
  });
  await app.register(fastifyWebsocket, {
    options: {
      maxPayload: MAX_WATCHER_FRAME,
      handleProtocols: (offered: Set<string>) => (offered.has(LIVE_PROTOCOL) ? LIVE_PROTOCOL : false),
    },
  });
  const context: Context = { app, store, limits, scopeOf: () => EVERYTHING };
  for (const definition of [FLOWS_DEFINITION, REQUESTS_DEFINITION, TCP_EVENTS_DEFINITION, VERDICTS_DEFINITION]) {
    addRowRoute(context, definition);
  }
  addRequestByIdRoute(context);
  addEdgesRoute(context);
  addEndpointsRoute(context);
  addAuditRoute(context);
  addPolicyCheckRoute(context);
  addLiveRoute(context, hub);
  addHealthRoutes(context);
  addMetricsRoute(context, metrics);
  return app;
}

/** A problem for those that never come as far as a question. */
function refusal(status: string, code: string, message: string): string {
  const problem = problemOf(new QueryError(Number.parseInt(status, 10), code, message), '/');
  return lastAnswer(status, { 'content-type': PROBLEM_TYPE }, JSON.stringify(problem));
}

const DESCRIPTION =
  'Flows, requests and TCP events that the kernel saw, and what policies said. Within /v1 changes only add. An unknown parameter is refused. ' +
  '64-bit ids and counters are strings; null means not known. Every answer says how complete it is.';

/** Our own defects are errors; what the store or the asker did wrong is told for those who look for it. */
function logProblem(log: FastifyBaseLogger, error: Error, status: number): void {
  const cause = error instanceof QueryError ? error.details.cause : error;
  const level = status === 500 || status === 502 ? 'error' : status === 503 ? 'warn' : 'debug';
  log[level]({ code: (error as { code?: unknown }).code, status, err: cause }, error.message);
}

/** Errors of the HTTP layer itself, as problems. */
function fromFastify(error: FastifyError): unknown {
  if (error.statusCode === undefined || error.statusCode >= 500) return error;
  return new QueryError(error.statusCode, 'FLOW_QUERY_BAD_REQUEST', error.message, { cause: error });
}
