/**
 * Time that BPF programs take, net of what counting it takes. The kernel's statistics add some 70 ns to each run; an empty
 * program on the same hook, measured at the same time, tells how much, and is subtracted.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { enableStats, openObject } from '../../../collector/native/addon.ts';
import type { Cgroup } from '../../../deploy/lab/cgroup.ts';
import { type Cost, costsBetween, programCosts } from '../../support/program_costs.ts';

const EMPTY = 'bench_empty';

/** What programs took between two looks. */
export interface ProgramTime {
  /** Runs and net nanoseconds in all, by program; those that did not run are left out. */
  readonly programs: ReadonlyMap<string, Cost>;
  /** Net nanoseconds of all of them. */
  readonly totalNs: number;
  /** Nanoseconds that a run of the empty program is said to take. */
  readonly emptyNs: number;
}

/** Statistics that are on. */
export interface ProgramClock {
  /** What was taken while `work` ran. Packets must flow meanwhile, for the empty program to be met. */
  during(work: () => Promise<unknown>): Promise<ProgramTime>;
  /** Switches the statistics off. */
  close(): void;
}

function emptyObject(): string {
  const output = join('build', 'bench', 'empty.bpf.o');
  mkdirSync(join('build', 'bench'), { recursive: true });
  const source = join(import.meta.dirname, '..', 'bpf', 'empty.bpf.c');
  execFileSync(process.env.CLANG ?? 'clang-19', ['-target', 'bpf', '-O2', '-g', '-c', source, '-o', output]);
  return output;
}

/** Switches the statistics on. @param pid whose programs are asked for; @param watched the cgroup they are attached to */
export function openProgramClock(pid: number, watched: Cgroup): ProgramClock {
  const empty = openObject(emptyObject());
  empty.load();
  const link = empty.attachCgroup(EMPTY, watched.path);
  const statistics = enableStats();
  const look = () => {
    const stats = empty.programStats().find(({ name }) => name === EMPTY);
    return { programs: programCosts(pid), runs: Number(stats?.runCount), time: Number(stats?.runTimeNs) };
  };
  return {
    async during(work) {
      const before = look();
      await work();
      const after = look();
      const emptyNs = (after.time - before.time) / (after.runs - before.runs);
      const costs = costsBetween(before.programs, after.programs);
      const net = [...costs].map(([name, { runs, time }]): [string, Cost] => [
        name,
        { runs, time: time - runs * emptyNs },
      ]);
      return { programs: new Map(net), totalNs: net.reduce((sum, [, { time }]) => sum + time, 0), emptyNs };
    },
    close() {
      statistics.close();
      link.close();
      empty.close();
    },
  };
}
