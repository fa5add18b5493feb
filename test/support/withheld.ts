/**
 * Calls of a tracepoint that the kernel kept from our program there. Two reasons are known: the program was running on
 * that CPU already (the kernel counts these as `recursion_misses`), and a kernel that runs no tracing program in what
 * interrupts its process 1 (seen on the machines of this project; uncounted).
 */
import { enableStats } from '../../collector/native/addon.ts';
import { start } from '../../deploy/lab/program.ts';
import { uniqueName } from '../../deploy/lab/registry.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { programCosts } from './program_costs.ts';

/**
 * An instance of the kernel's own tracing, which counts every call. It lives until standard input ends, so that a test
 * that crashes leaves none.
 */
const WITNESS = `
  mount -t tracefs none /sys/kernel/tracing
  cd /sys/kernel/tracing
  mkdir "instances/$1"
  for event in $2; do echo 1 > "instances/$1/events/tcp/$event/enable"; done
  echo ready
  while read -r line; do
    cat instances/"$1"/per_cpu/cpu*/stats | awk '/^(entries|overrun):/ { calls += $2 } END { print "calls", calls }'
  done
  for event in $2; do echo 0 > "instances/$1/events/tcp/$event/enable"; done
  rmdir "instances/$1"`;

export interface WithheldCalls {
  /** How many there were since the witness was called. The tracepoints must be quiet. */
  count(): Promise<number>;
  end(): Promise<void>;
}

/**
 * Begins to count, over the whole machine.
 * @param pid of the collector
 * @param tracepoints of the group `tcp`, each with a program of the same name
 */
export async function witnessWithheldCalls(pid: number, tracepoints: readonly string[]): Promise<WithheldCalls> {
  const stats = enableStats();
  const runs = (): number => {
    const costs = programCosts(pid);
    return tracepoints.reduce((sum, name) => sum + (costs.get(name)?.runs ?? 0), 0);
  };
  const before = runs();
  const witness = start(
    {},
    ['unshare', '--mount', 'sh', '-euc', WITNESS, 'sh', uniqueName(), tracepoints.join(' ')],
    {},
    'pipe',
  );
  const told = (): string[] => witness.output().trim().split('\n');
  await eventually('the tracepoints to be watched', () => told()[0] === 'ready' || undefined);
  return {
    count: async () => {
      const lines = told().length;
      witness.process.stdin?.write('\n');
      const line = await eventually('calls of the tracepoints', () => told()[lines]);
      return Number(line.split(' ')[1]) - (runs() - before);
    },
    end: async () => {
      witness.process.stdin?.end();
      await eventually('the tracepoints to be left alone', () => witness.process.exitCode !== null || undefined);
      stats.close();
    },
  };
}
