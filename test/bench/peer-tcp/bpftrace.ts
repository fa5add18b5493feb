/**
 * What a user would run instead: bpftrace on the tracepoint of retransmits, a line for each as tcpretrans prints it. It
 * looks for the tracepoint in tracefs, which is mounted for it alone.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { programCosts } from '../../support/program_costs.ts';
import { type CpuTime, cpuTime, pinned } from '../kit/cpu.ts';

/** One record and one printf per retransmit; tcpretrans.bt as it is shipped needs kprobes, and two records for each. */
const ONE_LINER = `tracepoint:tcp:tcp_retransmit_skb {
  printf("%s %-6d %s:%d %s:%d %d\\n", strftime("%H:%M:%S", nsecs), pid, ntop(args->saddr), args->sport,
    ntop(args->daddr), args->dport, args->state)
}`;
const STARTED_MS = 20_000;

/** A bpftrace that watches. */
export interface Bpftrace {
  readonly version: string;
  /** Of its process. */
  cpu(): CpuTime;
  /** Of its program, nanoseconds; counts only while statistics are enabled. */
  programNs(): number;
  /** Lines about packets to a port, so far. */
  linesTo(port: number): number;
  stop(): Promise<void>;
}

/**
 * Starts it.
 * @param cores where its process runs
 * @throws if it does not attach
 */
export async function startBpftrace(cores: string): Promise<Bpftrace> {
  const cgroup: Cgroup = createCgroup();
  const lines = join(temporaryFolder(), 'retransmits');
  const script = 'mount -t tracefs none /sys/kernel/tracing; exec bpftrace -e "$0" > "$1"';
  const command = ['unshare', '--mount', 'sh', '-euc', script, ONE_LINER, lines];
  const bpftrace = start({ cgroup }, pinned(cores, command));
  const text = () => readFileSync(lines, 'utf8');
  await eventually(
    'bpftrace to watch',
    () => {
      if (bpftrace.process.exitCode !== null) throw new Error(`bpftrace ended early: ${bpftrace.output().trim()}`);
      return programCosts(bpftrace.pid).size > 0;
    },
    STARTED_MS,
  );
  return {
    version: execFileSync('bpftrace', ['--version'], { encoding: 'utf8' }).trim(),
    cpu: () => cpuTime(cgroup),
    programNs: () => [...programCosts(bpftrace.pid).values()].reduce((sum, { time }) => sum + time, 0),
    linesTo: (port) => text().match(new RegExp(`:${port} \\d+$`, 'gm'))?.length ?? 0,
    stop: async () => {
      await bpftrace.stop('SIGINT');
      cgroup.remove();
    },
  };
}
