/** `flowspan detach`: removes what a stopped collector has left in the kernel for its next run. */
import { removeKeptMaps } from './attach/kept_maps.ts';
import { loadConfig } from './config.ts';
import { configHelp } from './config_help.ts';
import { holdDirectory } from './data_dir.ts';

/**
 * Removes the maps of the collector of this configuration. A collector that starts afterwards counts from then on.
 * @returns exit code
 * @throws FlowspanError FLOW_COLLECTOR_RUNNING if that collector runs
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(configHelp('collector').replace('flowspan collector', 'flowspan detach'));
    return 0;
  }
  const config = loadConfig(argv, process.env);
  const directory = await holdDirectory(config.data_dir);
  const removed = config.collector.pin_dir === '' ? 0 : removeKeptMaps(config.collector.pin_dir, config.data_dir);
  directory.release();
  process.stdout.write(removed > 0 ? 'flowspan: the kernel keeps nothing any more\n' : 'flowspan: nothing was kept\n');
  return 0;
}
