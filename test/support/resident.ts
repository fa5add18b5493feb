/** Resident memory of processes, as the kernel counts it. */
import { readFileSync, writeFileSync } from 'node:fs';

type Pid = number | 'self';

function statusBytes(pid: Pid, field: string): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${field}: the process is ending`);
  return Number(kib) * 1024;
}

/** Resident bytes of a process now. */
export const residentBytes = (pid: Pid): number => statusBytes(pid, 'VmRSS');

/** Most resident bytes of a process since it started, or since `forgetPeak`. */
export const peakResidentBytes = (pid: Pid): number => statusBytes(pid, 'VmHWM');

/** Has the peak begin anew at what is resident now. */
export const forgetPeak = (pid: Pid): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
