/** Making the kernel count how often and how long BPF programs run. */
import { readFileSync } from 'node:fs';
import { enableStats, type Handle, isNativeError } from '../../native/addon.ts';
import { AttachError } from './error.ts';

const SWITCH = '/proc/sys/kernel/bpf_stats_enabled';

/** Whether the kernel counts anyway, because an administrator made it. @param text of the switch */
export function countsAnyway(text: string): boolean {
  return text.trim() === '1';
}

/**
 * Makes the kernel count until the handle is closed: the one thing that it does for CAP_SYS_ADMIN alone, which the
 * collector does not ask for.
 * @throws AttachError FLOW_ATTACH_RUN_TIME without that capability, where the kernel does not count anyway
 */
export function countRunTime(): Handle {
  try {
    return enableStats();
  } catch (error) {
    if (!isNativeError(error)) throw error;
    if (countsAnyway(readFileSync(SWITCH, 'utf8'))) return { close: () => undefined };
    throw new AttachError(
      'FLOW_ATTACH_RUN_TIME',
      `the kernel does not count the run time of BPF programs: ${error.message}`,
      'Switch it on while you measure: sysctl kernel.bpf_stats_enabled=1; or run the collector with CAP_SYS_ADMIN.',
      error,
    );
  }
}
