/**
 * What all of Flowspan takes of this machine's processor time at 1,000 requests a second (open loop, the server's end
 * observed, every request stored as a row, default settings), and while nothing happens. Collector and query API, from
 * their cgroups, with the run time of the BPF programs, which the kernel charges to whom they observe; the store alone.
 * Rounds are as long as the store's slowest regular work but one: what is built of a minute follows 90 s after its end.
 * ROUNDS and SECONDS in the environment: how many, and how long each is.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { startNginx } from '../support/nginx.ts';
import { GOVERNED } from './kit/as_a_node.ts';
import { cpuSince, cpuTime, pinned, settle } from './kit/cpu.ts';
import { helloLocation, helloRows, KEPT } from './kit/hello.ts';
import { startOpenLoop } from './kit/open_loop.ts';
import { openProgramClock } from './kit/program_time.ts';
import { printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 2);
const SECONDS = Number(process.env.SECONDS ?? 30);
const WARM_UP_S = 10;
const PER_SECOND = 1000;
const CONNECTIONS = 50;
const PATH = '/r/one-thousand';
/** nginx and its clients; Flowspan runs on all cores. */
const LOAD_CORE = '0';
const GOALS = { all: 0.5, store: 2, idle: 0.5 };
const CORES = availableParallelism();

const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
const [watched, client] = [createCgroup(), createCgroup()];
const address = connect(clientNamespace, serverNamespace).b.ipv4;
const nginx = await startNginx(
  { namespace: serverNamespace, cgroup: watched },
  {
    workers: 1,
    locations: helloLocation(`= ${PATH}`, KEPT),
  },
);
const flowspan = await startFlowspan({
  processes: ['store', 'collector', 'query-api'],
  cgroup: watched,
  env: GOVERNED,
});
const groups = ['collector', 'query-api', 'store'].map((name) => {
  const cgroup = createCgroup();
  settle(flowspan.pid(name), { cgroup });
  return { name, cgroup };
});

interface Used {
  readonly collector: number;
  readonly queryApi: number;
  readonly store: number;
}

/** Percent of the machine. */
async function round(): Promise<Used> {
  const before = groups.map(({ cgroup }) => cpuTime(cgroup));
  const beganMs = performance.now();
  await sleep(SECONDS * 1000);
  const elapsedUs = (performance.now() - beganMs) * 1000;
  const [collector = 0, queryApi = 0, store = 0] = groups.map(
    ({ cgroup }, at) => (100 * cpuSince(cgroup, before[at]!).total) / (elapsedUs * CORES),
  );
  return { collector, queryApi, store };
}

const tell = (what: string, values: object): void => {
  const told = Object.entries(values).map(([name, value]) => `${name} ${(value as number).toFixed(3)}`);
  process.stdout.write(`${what}: ${told.join(', ')} % of ${CORES} cores\n`);
};

await sleep(WARM_UP_S * 1000);
const idle = await round();
tell('nothing happens', idle);
const wrap = (command: readonly string[]) => pinned(LOAD_CORE, command);
const load = { address, path: PATH, connections: CONNECTIONS, perSecond: PER_SECOND, wrap };
const loop = await startOpenLoop({ namespace: clientNamespace, cgroup: client }, load);
await sleep(WARM_UP_S * 1000);
const rounds: (Used & { bpf: number })[] = [];
for (let made = 0; made < ROUNDS; made += 1) {
  const used = await round();
  const clock = openProgramClock(flowspan.pid('collector'), watched);
  const beganMs = performance.now();
  const { totalNs } = await clock.during(() => sleep(5000));
  clock.close();
  rounds.push({ ...used, bpf: (100 * totalNs) / ((performance.now() - beganMs) * 1e6 * CORES) });
  tell(`${PER_SECOND} requests per second`, rounds.at(-1)!);
}
const asked = await loop.stop();
await flowspan.settled();
const rows = await helloRows(flowspan.query, PATH);
const lost = await flowspan.losses();
if (rows !== asked.answered || lost.length > 0) {
  process.stderr.write(
    `FLOW_BENCH_ROWS: ${rows} rows of ${asked.answered} requests, lost: ${lost.join(', ')}; see what the collector logs\n`,
  );
  process.exit(1);
}
const aim = { unit: '% of the machine', better: 'lower' } as const;
const figure = (name: string, values: readonly number[], goal: number): void =>
  printResult(resultOf(name, values, { ...aim, goal }));
figure('cpu-1k-idle', [idle.collector + idle.queryApi + idle.store], GOALS.idle);
figure(
  'cpu-1k-store',
  rounds.map((one) => one.store),
  GOALS.store,
);
figure(
  'cpu-1k',
  rounds.map(({ collector, queryApi, bpf }) => collector + queryApi + bpf),
  GOALS.all,
);
await nginx.stop();
await flowspan.stop();
process.exit(0);
