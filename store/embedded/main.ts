/** `flowspan store`: ClickHouse's engine on this machine, behind ClickHouse's HTTP interface. */
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { writerAccount } from '../../collector/src/accounts.ts';
import { type Config, loadConfig, parseListen } from '../../collector/src/config.ts';
import { configHelp } from '../../collector/src/config_help.ts';
import { stopSignal, tellReady } from '../../collector/src/lifetime.ts';
import { startOwnSpans } from '../../collector/src/telemetry/own_spans.ts';
import { quoteName } from '../ddl.ts';
import { FlowspanError } from '../errors.ts';
import type { Account } from './accounts.ts';
import { forgetUnmadeInserts, isInUse } from './crash_recovery.ts';
import { startEdgeBuilder } from './edge_builder.ts';
import { Engine } from './engine.ts';
import type { EngineError } from './engine_error.ts';
import { readerPatienceMs } from './gone.ts';
import { createFront } from './http_server.ts';
import { StoreMetrics } from './metrics.ts';
import type { ReaderLimits } from './reader_settings.ts';
import { ResultPipes } from './result_pipe.ts';
import { type AskersShare, QUEUE_LENGTH } from './slots.ts';
import { StatementWatch } from './statement_watch.ts';
import { startUpkeep } from './upkeep.ts';

const WRITERS = 4;
/**
 * What a reader's query may become while it is analysed, which the engine does before it looks at the time: subqueries
 * and lambdas in place of their names, and regular expressions.
 */
const ANALYSIS_LIMITS: ReaderLimits = {
  max_ast_elements: 20_000,
  max_expanded_ast_elements: 40_000,
  max_parser_depth: 300,
  max_hyperscan_regexp_length: 1000,
  max_hyperscan_regexp_total_length: 10_000,
  function_range_max_elements_in_block: 10_000_000,
};

/** Longest that running queries get at the end. */
const GRACE_MS = 1500;

/**
 * Runs the store until SIGTERM or SIGINT.
 * @returns exit code
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(configHelp('store'));
    return 0;
  }
  const config = loadConfig(argv, process.env);
  const logger = pino({ name: 'store', level: config.log_level });
  const stop = stopSignal();
  const running = await startStore(config, logger);
  logger.info({ listen: running.listen, engine: running.engine.version, memory_bytes: engineMemoryBytes() }, 'ready');
  tellReady();
  await stop;
  await running.close();
  logger.info('stopped');
  return 0;
}

/** After this the engine answers nothing any more. */
function isFatal({ code, message }: EngineError): boolean {
  return code === 236 && message.includes('fatal error');
}

/**
 * Ends the process: nothing else ends a query that does not look at the time, or brings back an engine that has given up.
 * Whoever supervises it starts it again; acknowledged inserts are on the disk, all others are sent again.
 */
function fail(logger: pino.Logger, code: string, why: string): void {
  logger.fatal({ code }, `${why}; the store ends now and is to be started again`);
  logger.flush();
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100);
}

/** A store that runs in this process. */
export interface RunningStore {
  /** address:port it listens on. */
  readonly listen: string;
  readonly engine: Engine;
  close(): Promise<void>;
}

/**
 * Opens the data directory and listens.
 * @throws FlowspanError FLOW_STORE_OPEN if the data directory cannot be opened
 */
export async function startStore(config: Config, logger: pino.Logger): Promise<RunningStore> {
  const { store } = config;
  process.env.UV_THREADPOOL_SIZE = String(threadsFor(store.max_concurrent_queries));
  const dataDir = join(config.data_dir, 'store');
  const spans = await startOwnSpans('store', config);
  const engine = await openEngine(dataDir, config, logger);
  engine.onRunaway = () => fail(logger, 'FLOW_STORE_RUNAWAY', 'a query does not end although it was cancelled');
  const metrics = new StoreMetrics(engine, { byteBudget: store.byte_budget, memoryBytes: engineMemoryBytes() });
  metrics.page.add(() => spans.families());
  const address = parseListen(store.listen)!;
  const pipes = new ResultPipes(join(dataDir, 'pipes'), 2 * (store.max_concurrent_queries + WRITERS));
  const server = await createFront({
    engine,
    pipes,
    accounts: accountsOf(config),
    readerLimits: limitsOf(config),
    watch: new StatementWatch(metrics, spans.wanted ? spans.tracer : undefined),
    page: metrics.page,
    report(error, queryId) {
      logger.warn({ code: error.code, query_id: queryId }, error.message);
      if (isFatal(error)) fail(logger, 'FLOW_STORE_ENGINE', error.message);
    },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, resolve);
    });
  } catch (cause) {
    await engine.close();
    throw cause;
  }
  const upkeep = startUpkeep(engine, config, metrics, logger);
  const builder = startEdgeBuilder(engine, config.clickhouse.database, metrics, logger);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    listen: `${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`,
    engine,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await Promise.all([builder.stop(), upkeep.stop()]);
      await engine.idle(GRACE_MS);
      server.closeAllConnections();
      await engine.close();
      await closed;
      pipes.close();
      await spans.close();
    },
  };
}

/**
 * Threads of libuv, which reads their number at its first use. Every query holds one for as long as it runs; with fewer,
 * readers would stop the inserts, and a cancelled query could not be told so.
 */
function threadsFor(readers: number): number {
  const given = Number(process.env.UV_THREADPOOL_SIZE) || 0;
  return Math.min(1024, Math.max(given, readers + WRITERS + 12));
}

async function openEngine(dataDir: string, config: Config, logger: pino.Logger): Promise<Engine> {
  try {
    if (isInUse(dataDir)) throw new Error('another flowspan store runs on it');
    const forgotten = forgetUnmadeInserts(dataDir);
    if (forgotten > 0) logger.warn({ forgotten }, 'forgotten: tokens of inserts that a crash cut off; retries count');
    const engine = await Engine.open(dataDir, {
      readers: config.store.max_concurrent_queries,
      readersShare: readersShare(config),
      writers: WRITERS,
      memoryBytes: engineMemoryBytes(),
    });
    await engine.run({ sql: `CREATE DATABASE IF NOT EXISTS ${quoteName(config.clickhouse.database)}`, role: 'upkeep' });
    return engine;
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FlowspanError('FLOW_STORE_OPEN', `cannot open ${dataDir}: ${why}; stop what uses it or set data_dir`, {
      cause,
    });
  }
}

/** As many at once as keep the cores busy, so that who asks for much at once leaves others their time. */
function readersShare(config: Config): AskersShare {
  const readers = config.store.max_concurrent_queries;
  const atOnce = Math.max(2, Math.min(Math.floor(readers / 4), availableParallelism()));
  const longestWaitMs = readerPatienceMs(limitsOf(config))! / 2;
  return { atOnce: Math.min(atOnce, readers), waiting: QUEUE_LENGTH / 2, longestWaitMs };
}

function accountsOf(config: Config): Account[] {
  const { store, clickhouse } = config;
  // clickhouse.user may name an account of another server; the store's own accounts do not depend on it.
  const writer = writerAccount({ ...config, clickhouse: { ...clickhouse, user: '' } });
  return [
    { user: writer.username, password: writer.password, role: 'writer' },
    { user: store.reader_user, password: store.reader_password, role: 'reader' },
  ];
}

function limitsOf({ store }: Config): ReaderLimits {
  return {
    max_execution_time: store.max_execution_s,
    timeout_before_checking_execution_speed: 0,
    max_rows_to_read: store.max_rows_to_read,
    max_result_rows: store.max_result_rows,
    max_memory_usage: Math.min(store.max_memory_bytes, engineMemoryBytes() / 4),
    // Half the cores: one who asks for much leaves the others room to compute.
    max_threads: Math.max(1, Math.floor(availableParallelism() / 2)),
    ...ANALYSIS_LIMITS,
  };
}

/** Memory that all queries and caches together may take: three tenths of the machine's, seven of what a cgroup allows. */
function engineMemoryBytes(): number {
  const allowed = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.max(Math.min(totalmem() * 0.3, allowed * 0.7), 512 * 1024 ** 2));
}
