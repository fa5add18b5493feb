/** `flowspan query-api`: answers questions over HTTP and WebSocket. */
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import pino from 'pino';
import { readerAccount } from '../../collector/src/accounts.ts';
import { type Config, isLoopback, loadConfig, parseListen } from '../../collector/src/config.ts';
import { configHelp } from '../../collector/src/config_help.ts';
import { stopSignal, tellReady } from '../../collector/src/lifetime.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';
import { VERSION } from '../../collector/src/version.ts';
import { CLUSTER_QUERY_SETTINGS } from '../../store/cluster.ts';
import { buildApp } from './app.ts';
import { QueryError } from './errors.ts';
import { LiveHub } from './live/hub.ts';
import { QueryApiMetrics } from './metrics.ts';
import { watchQueries } from './query_watch.ts';
import { QUERIES_AT_ONCE, Store } from './store.ts';

/** Longest that the end may take, in milliseconds. */
const GRACE_MS = 2_000;

/**
 * Runs the query API until SIGTERM or SIGINT.
 * @returns exit code
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(configHelp('query-api'));
    return 0;
  }
  const config = loadConfig(argv, process.env);
  const logger = pino({ name: 'query-api', level: config.log_level });
  const stop = stopSignal();
  const running = await startQueryApi(config, logger);
  logger.info({ listen: running.listen }, 'ready');
  tellReady();
  await stop;
  await running.close();
  logger.info('stopped');
  return 0;
}

/** A query API that runs in this process. */
export interface RunningQueryApi {
  /** address:port it listens on. */
  readonly listen: string;
  close(): Promise<void>;
}

/**
 * Listens. The store need not be there yet: /readyz tells when it is.
 * @throws QueryError FLOW_QUERY_OPEN_TO_ALL when asked to listen beyond loopback without a token
 */
export async function startQueryApi(config: Config, logger: pino.Logger): Promise<RunningQueryApi> {
  const { query_api: own, clickhouse } = config;
  const loopback = isLoopback(own.listen);
  if (!loopback && own.token === '' && !own.insecure_without_token) {
    throw new QueryError(
      500,
      'FLOW_QUERY_OPEN_TO_ALL',
      `query_api.listen is ${own.listen}, which others reach, and query_api.token is empty: set a token or listen on loopback`,
    );
  }
  const spans = await startOwnSpans('query-api', config);
  const tracer = spans.wanted ? spans.tracer : undefined;
  const client = createClient({
    url: clickhouse.url,
    ...readerAccount(config),
    database: clickhouse.database,
    clickhouse_settings: clickhouse.cluster === '' ? {} : CLUSTER_QUERY_SETTINGS,
    application: 'flowspan-query-api',
    request_timeout: own.max_execution_s * 1000 + 5_000,
    max_open_connections: QUERIES_AT_ONCE,
    // what fails is told where it is answered
    log: { level: ClickHouseLogLevel.OFF },
    compression: { response: false, request: false },
    keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
  });
  const metrics = new QueryApiMetrics(() => hub.watching);
  metrics.page.add(() => spans.families());
  const store = new Store(client, own, watchQueries(metrics, tracer, clickhouse));
  const hub = new LiveHub({ store, collectors: own.collectors, collectorToken: own.collector_token, logger });
  const access = { token: own.token, loopback, allowedOrigins: own.allowed_origins };
  const trustedProxies = own.trusted_proxies;
  const app = await buildApp({
    store,
    hub,
    limits: own,
    access,
    trustedProxies,
    logger,
    version: VERSION,
    metrics,
    tracer,
  });
  const { host, port } = parseListen(own.listen)!;
  await app.listen({ host, port });
  const bound = app.server.address();
  const shownPort = typeof bound === 'object' && bound !== null ? bound.port : port;
  return {
    listen: `${host.includes(':') ? `[${host}]` : host}:${shownPort}`,
    async close() {
      hub.close();
      const force = setTimeout(() => app.server.closeAllConnections(), GRACE_MS);
      await app.close();
      clearTimeout(force);
      await client.close();
      await spans.close();
    },
  };
}
