/** Processor time and its limits: who used how much, on which core, with what budget. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, cgroupRoot } from '../../../deploy/lab/cgroup.ts';

/** Processor time, in microseconds. */
export interface CpuTime {
  readonly total: number;
  readonly user: number;
  readonly system: number;
}

/**
 * What ran in a cgroup has used so far, those that ended included (cgroup v2 `cpu.stat`, which needs no controller). What
 * an interrupt does is charged to whom it interrupts.
 */
export function cpuTime(cgroup: Cgroup): CpuTime {
  const text = readFileSync(join(cgroup.path, 'cpu.stat'), 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  return { total: field('usage_usec'), user: field('user_usec'), system: field('system_usec') };
}

/** What was used since an earlier look. */
export function cpuSince(cgroup: Cgroup, before: CpuTime): CpuTime {
  const now = cpuTime(cgroup);
  return { total: now.total - before.total, user: now.user - before.user, system: now.system - before.system };
}

/** The command on these cores only, such as `0` or `0,1`. */
export function pinned(cores: string, command: readonly string[]): string[] {
  return ['taskset', '-c', cores, ...command];
}

/** Puts a process that runs, with all its threads, into a cgroup and on these cores. */
export function settle(pid: number, { cgroup, cores }: { cgroup?: Cgroup; cores?: string }): void {
  if (cgroup !== undefined) writeFileSync(join(cgroup.path, 'cgroup.procs'), String(pid));
  if (cores !== undefined) execFileSync('taskset', ['-acp', cores, String(pid)], { stdio: 'ignore' });
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** A limit of processor time; to be removed when those under it have ended. */
export interface CpuBudget {
  /** Puts a process and what it starts from now on under the limit. */
  add(pid: number): void;
  remove(): void;
}

const PERIOD_US = 10_000;
/** Where cgroup v1 has the controller where v2 has it not. */
const V1_CPU = '/sys/fs/cgroup/cpu';

/**
 * Limits processes to a share of one core, over periods of 10 ms.
 * @throws if neither version of cgroups has the cpu controller here
 */
export function cpuBudget(name: string, share: number): CpuBudget {
  const quota = Math.round(share * PERIOD_US);
  const v1 = existsSync(join(V1_CPU, 'cpu.shares'));
  const path = join(v1 ? V1_CPU : cgroupRoot(), name);
  mkdirSync(path);
  if (v1) {
    writeFileSync(join(path, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(path, 'cpu.cfs_quota_us'), String(quota));
  } else {
    if (!existsSync(join(path, 'cpu.max'))) {
      rmdirSync(path);
      throw new Error('no cpu controller in cgroup v1 or v2');
    }
    writeFileSync(join(path, 'cpu.max'), `${quota} ${PERIOD_US}`);
  }
  return {
    add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    remove: () => rmdirSync(path),
  };
}
