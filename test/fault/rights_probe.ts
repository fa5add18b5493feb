/**
 * Prints as JSON what the collector would learn with the rights that this process has, of a process of another user too.
 * Usage: node rights_probe.ts PID PORT ROOT CONTAINER
 */
import { isNativeError, openConntrack } from '../../collector/native/addon.ts';
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
  /** Whether backends of services can be asked for. */
  readonly conntrack: boolean;
}

function asksConntrack(): boolean {
  try {
    openConntrack().close();
    return true;
  } catch (error) {
    if (!isNativeError(error)) throw error;
    return false;
  }
}

const [pid = 0, port = 0] = process.argv.slice(2, 4).map(Number);
const [root = '', container = ''] = process.argv.slice(4);
const { listeners, residences } = await findListeners();
const learned: Learned = {
  executable: readProcess(pid)?.executable ?? '',
  listens: listeners.some((one) => one.port === port && one.pids.includes(pid)),
  resides: residences.some(({ pids }) => pids.includes(pid)),
  container: (await containerFacts('docker', container, root))?.name ?? '',
  conntrack: asksConntrack(),
};
console.log(JSON.stringify(learned));
