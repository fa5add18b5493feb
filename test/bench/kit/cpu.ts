/** Processor time and its limits: who used how much, on which core, with what budget. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, cgroupRoot } from '../../../deploy/lab/cgroup.ts';
import { note, removeNow, uniqueName } from '../../../deploy/lab/registry.ts';

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

/** A thread that ends between being found and being put somewhere makes taskset fail. */
const PIN_TRIES = 5;

/** Puts a process that runs, with all its threads, into a cgroup and on these cores. */
export function settle(pid: number, { cgroup, cores }: { cgroup?: Cgroup; cores?: string }): void {
  if (cgroup !== undefined) writeFileSync(join(cgroup.path, 'cgroup.procs'), String(pid));
  if (cores === undefined) return;
  for (let tries = 0; tries < PIN_TRIES; tries += 1) {
    if (spawnSync('taskset', ['-acp', cores, String(pid)], { stdio: 'ignore' }).status === 0) return;
  }
  throw new Error(`process ${pid} cannot be put on cores ${cores}`);
}

/** A process and its children that live. */
export function withChildren(pid: number): number[] {
  return [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  ];
}

/** A limit of processor time; to be removed when those under it have ended. */
export interface CpuBudget {
  /** Puts a process and what it starts from now on under the limit. */
  add(pid: number): void;
  /** The command under the limit from its first instruction on. */
  within(command: readonly string[]): string[];
  remove(): void;
}

const PERIOD_US = 10_000;
/** Who has a budget gets it whatever else the machine does: the most that cpu.shares and cpu.weight take. */
const MOST_SHARES = 262_144;
const MOST_WEIGHT = 10_000;
/** Where cgroup v1 has the controller where v2 has it not. */
const V1_CPU = '/sys/fs/cgroup/cpu';

/**
 * Gives processes a share of one core, over periods of 10 ms: no more, and, before others, no less.
 * @throws if neither version of cgroups has the cpu controller here
 */
export function cpuBudget(share: number): CpuBudget {
  const quota = Math.round(share * PERIOD_US);
  const v1 = existsSync(join(V1_CPU, 'cpu.shares'));
  const path = join(v1 ? V1_CPU : cgroupRoot(), uniqueName());
  const procs = join(path, 'cgroup.procs');
  note('cgroup', path);
  mkdirSync(path);
  if (v1) {
    writeFileSync(join(path, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(path, 'cpu.cfs_quota_us'), String(quota));
    writeFileSync(join(path, 'cpu.shares'), String(MOST_SHARES));
  } else {
    if (!existsSync(join(path, 'cpu.max'))) {
      removeNow('cgroup', path);
      throw new Error('no cpu controller in cgroup v1 or v2');
    }
    writeFileSync(join(path, 'cpu.max'), `${quota} ${PERIOD_US}`);
    writeFileSync(join(path, 'cpu.weight'), String(MOST_WEIGHT));
  }
  return {
    add: (pid) => writeFileSync(procs, String(pid)),
    within: (command) => ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', procs, ...command],
    remove: () => removeNow('cgroup', path),
  };
}
