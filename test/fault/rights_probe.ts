/**
 * Prints as JSON what the collector would learn of a process of another user with the rights that this one has.
 * Usage: node rights_probe.ts PID PORT ROOT CONTAINER
 */
import { containerFacts } from '../../collector/src/control/container_names.ts';
import { findListeners } from '../../collector/src/correlate/listeners.ts';
import { readProcess } from '../../collector/src/correlate/processes.ts';

/** What was learned. */
export interface Learned {
  readonly executable: string;
  /** Whether it is told as the process that listens on the port. */
  readonly listens: boolean;
  /** Whether a network namespace was told for it. */
  readonly resides: boolean;
  readonly container: string;
}

const [pid = 0, port = 0] = process.argv.slice(2, 4).map(Number);
const [root = '', container = ''] = process.argv.slice(4);
const { listeners, residences } = await findListeners();
const learned: Learned = {
  executable: readProcess(pid)?.executable ?? '',
  listens: listeners.some((one) => one.port === port && one.pids.includes(pid)),
  resides: residences.some(({ pids }) => pids.includes(pid)),
  container: (await containerFacts('docker', container, root))?.name ?? '',
};
console.log(JSON.stringify(learned));
