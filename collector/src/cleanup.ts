/** `flowspan cleanup`: removes the data plane that a stopped collector has left in the kernel. */
import { FlowspanError } from '../../store/errors.ts';
import { listDataplane, removeDataplane } from './attach/dataplane/load.ts';
import { describeHolder, takeDataplane } from './attach/dataplane/lock.ts';
import { DataplanePins } from './attach/dataplane/pins.ts';
import { loadConfig } from './config.ts';
import { configHelp } from './config_help.ts';
import { VERSION } from './version.ts';

const DRY_RUN = '--dry-run';
const HELP = `Usage: flowspan cleanup [${DRY_RUN}] [flags]

Detaches every program of the data plane and removes what is kept of it below collector.pin_dir: links, programs at
devices, maps. Connections that live go on. Nothing is done while a collector has the data plane.

  ${DRY_RUN}  only list what would be removed

`;

/**
 * Removes the data plane below the configured directory of pins, or lists it.
 * @returns exit code
 * @throws FlowspanError FLOW_DATAPLANE_HELD if a collector has it
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(HELP + configHelp('collector').replace('flowspan collector', 'flowspan cleanup'));
    return 0;
  }
  const isDry = argv.includes(DRY_RUN);
  const { pin_dir } = loadConfig(
    argv.filter((flag) => flag !== DRY_RUN),
    process.env,
  ).collector;
  const pins = new DataplanePins(pin_dir);
  if (pin_dir === '' || pins.isEmpty) {
    process.stdout.write('flowspan: there is no data plane\n');
    return 0;
  }
  const taken = isDry ? undefined : await takeDataplane(pin_dir, VERSION);
  if (taken !== undefined && 'holder' in taken) {
    taken.close();
    const message = `${describeHolder(taken.holder)} has the data plane of ${pin_dir}: stop it first`;
    throw new FlowspanError('FLOW_DATAPLANE_HELD', message);
  }
  try {
    const { links, maps } = isDry ? listDataplane(pins) : removeDataplane(pins);
    const lines = [...links.map((name) => `program ${name}`), ...maps.map((name) => `map ${name}`)];
    const words = isDry ? 'would be removed' : 'removed';
    process.stdout.write(lines.map((line) => `flowspan: ${line} ${words}\n`).join(''));
  } finally {
    taken?.release();
  }
  return 0;
}
