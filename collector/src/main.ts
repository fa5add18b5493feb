/** `flowspan collector`: puts the parts together by hand, runs until a signal, takes them apart again. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { startCollector } from './collector.ts';
import { loadConfig } from './config.ts';
import { configHelp } from './config_help.ts';

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
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const collector = await startCollector(config, log);
  const reload = () => {
    try {
      collector.reload(loadConfig(argv, process.env));
    } catch (error) {
      log.error({ err: error }, 'the configuration is wrong and was not taken: the old one holds');
    }
  };
  process.on('SIGHUP', reload);
  collector.ready.then((reached) => {
    if (!reached) return;
    log.info('ready');
    const readyFd = Number(process.env.FLOWSPAN_READY_FD ?? '');
    if (readyFd > 0) writeSync(readyFd, 'ready\n');
  });
  const signal = await stop;
  log.info({ signal }, 'stopping');
  process.off('SIGHUP', reload);
  await collector.close();
  log.info('stopped');
  return 0;
}
