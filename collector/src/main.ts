/** `flowspan collector`: puts the parts together by hand, runs until a signal, takes them apart again. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { type RunningCollector, startCollector } from './collector.ts';
import { loadConfig } from './config.ts';
import { configHelp } from './config_help.ts';
import { stopSignal, tellReady } from './lifetime.ts';
import { holdDataplane, type Turn } from './standby.ts';

/** Longest that ending may take, whatever disk and network do. */
const PATIENCE_MS = 2700;

/**
 * Runs the collector until SIGTERM or SIGINT. SIGHUP reads the configuration again.
 * @returns exit code
 * @throws ConfigError, AttachError: the collector cannot start, and nothing was left attached
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(configHelp('collector'));
    return 0;
  }
  const config = loadConfig(argv, process.env);
  const log = pino({ name: 'collector', level: config.log_level });
  const stop = stopSignal();
  let running: RunningCollector | undefined;
  const reload = () => {
    try {
      running?.reload(loadConfig(argv, process.env));
    } catch (error) {
      log.error({ err: error }, 'the configuration is wrong and was not taken: the old one holds');
    }
  };
  process.on('SIGHUP', reload);
  const stopping = new AbortController();
  stop.then(() => stopping.abort());
  const turn = await holdDataplane(config, log, stopping.signal, tellReady);
  if (stopping.signal.aborted) return endStandby(turn, log);
  const collector = await startCollector(config, log, turn);
  running = collector;
  collector.ready.then((reached) => {
    if (!reached) return;
    log.info('ready');
    tellReady();
  });
  const signal = await stop;
  log.info({ signal }, 'stopping');
  process.off('SIGHUP', reload);
  const closed = await Promise.race([collector.close().then(() => true), wait(PATIENCE_MS, false, { ref: false })]);
  if (closed) log.info('stopped');
  else
    log.error(
      { code: 'FLOW_COLLECTOR_STOP' },
      'could not finish in time: what is in the spool is sent by the next run',
    );
  return 0;
}

function endStandby(turn: Turn | undefined, log: Logger): number {
  turn?.kernel?.close();
  turn?.held.release();
  log.info('stopped');
  return 0;
}
