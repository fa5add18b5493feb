/**
 * Processor time of the collector at 10,000 requests a second (open loop over 100 connections, the server's end observed,
 * every request stored as a row, governor on, intervals as by default): user and system from its cgroup, and the run
 * time of its BPF programs, which the kernel charges to whom they observe. Both over the same load, not at the same time:
 * counting run time costs time. Percent of one core.
 * ROUNDS and SECONDS in the environment: how many looks, and how long each takes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSince, cpuTime } from './kit/cpu.ts';
import { openProgramClock } from './kit/program_time.ts';
import { printResult, resultOf } from './kit/result.ts';
import { PER_SECOND, startTenThousand } from './kit/ten_thousand.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const SECONDS = Number(process.env.SECONDS ?? 4);
const CONNECTIONS = 100;
/** Until the engine has compiled what runs often. */
const WARM_UP_MS = 10_000;

const { collector, store, flowspan, watched, end } = await startTenThousand(CONNECTIONS);
await sleep(WARM_UP_MS);
const rounds: { user: number; system: number; bpf: number; store: number }[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const before = { collector: cpuTime(collector), store: cpuTime(store), ms: performance.now() };
  await sleep(SECONDS * 1000);
  const elapsedUs = (performance.now() - before.ms) * 1000;
  const [used, stored] = [cpuSince(collector, before.collector), cpuSince(store, before.store)];
  const clock = openProgramClock(flowspan.pid('collector'), watched);
  const beganMs = performance.now();
  const { totalNs, emptyNs } = await clock.during(() => sleep(SECONDS * 500));
  const bpf = (100 * totalNs) / ((performance.now() - beganMs) * 1e6);
  clock.close();
  const percent = (us: number): number => (100 * us) / elapsedUs;
  const one = {
    user: percent(used.user),
    system: percent(used.system),
    bpf,
    store: percent(stored.total),
  };
  rounds.push(one);
  const told = Object.entries(one).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  process.stdout.write(
    `round ${round + 1}: ${told.join(', ')} % of a core; BPF ${((bpf * 1e7) / PER_SECOND).toFixed(0)} ns per request net of ${emptyNs.toFixed(0)} ns per run\n`,
  );
}
const asked = await end();
process.stdout.write(
  `${asked.sent} requests in ${asked.seconds.toFixed(1)} s, each a row, none lost; latest ${asked.latestMs.toFixed(1)} ms\n`,
);
const aim = { unit: '% of a core', better: 'lower' } as const;
printResult(
  resultOf(
    'cpu-10k-store',
    rounds.map((one) => one.store),
    { ...aim, goal: 20 },
  ),
);
printResult(
  resultOf(
    'cpu-10k',
    rounds.map(({ user, system, bpf }) => user + system + bpf),
    { ...aim, goal: 5 },
  ),
);
process.exit(0);
