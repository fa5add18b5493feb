/**
 * BPF run time per packet, by kind of traffic, and per request at the server's end. The kernel's program statistics
 * include what measuring costs; an empty program on the same hook, measured in the same run, tells how much, and is
 * subtracted. Only the server's cgroup is watched, so that each run of a packet program is the server's packet.
 * Last line: nanoseconds per request at one observed end, all programs together.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { enableStats, openObject } from '../../collector/native/addon.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { listening, run } from '../../deploy/lab/program.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { startNginx } from '../support/nginx.ts';
import { type Cost, costsBetween, programCosts } from '../support/program_costs.ts';
import { done, startTalker } from '../support/talker.ts';
import { runWrk } from '../support/wrk.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const GOAL_NS = 820;
const ECHO_PORT = 7000;
const EMPTY = 'bench_empty';
/** Programs that run once per interval, not for a packet or a request: shown, but not part of the sum. */
const PERIODIC = ['adopt_sockets', 'snapshot_flows', 'sweep_udp_flows'];

function emptyObject(): string {
  const output = join('build', 'bench', 'empty.bpf.o');
  mkdirSync(join('build', 'bench'), { recursive: true });
  const source = join(import.meta.dirname, 'bpf', 'empty.bpf.c');
  execFileSync(process.env.CLANG ?? 'clang-19', ['-target', 'bpf', '-O2', '-g', '-c', source, '-o', output]);
  return output;
}

const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
const [watched, unwatched] = [createCgroup(), createCgroup()];
const address = connect(clientNamespace, serverNamespace).b.ipv4;
const client = { namespace: clientNamespace, cgroup: unwatched };
const server = { namespace: serverNamespace, cgroup: watched };

const flowspan = await startFlowspan({ cgroup: watched });
const nginx = await startNginx(server);
const tcpEcho = startTalker(server, 'tcp-echo', ECHO_PORT);
const udpEcho = startTalker(server, 'udp-echo', ECHO_PORT);
await listening(serverNamespace, ECHO_PORT);
const empty = openObject(emptyObject());
empty.load();
const link = empty.attachCgroup(EMPTY, watched.path);
const statistics = enableStats();
const pid = flowspan.pid('collector');

interface Look {
  readonly programs: Map<string, Cost>;
  readonly empty: Cost;
}

function look(): Look {
  const stats = empty.programStats().find(({ name }) => name === EMPTY);
  return {
    programs: programCosts(pid),
    empty: { runs: Number(stats?.runCount), time: Number(stats?.runTimeNs) },
  };
}

/** Net nanoseconds per run, by program; and the total net time. */
async function measure(
  traffic: () => Promise<unknown>,
): Promise<{ perRun: Map<string, number>; total: number; floor: number }> {
  const before = look();
  await traffic();
  const after = look();
  const floor = (after.empty.time - before.empty.time) / (after.empty.runs - before.empty.runs);
  const costs = costsBetween(before.programs, after.programs);
  const perRun = new Map([...costs].map(([name, { runs, time }]) => [name, time / runs - floor]));
  const total = [...costs]
    .filter(([name]) => !PERIODIC.includes(name))
    .reduce((sum, [, { runs, time }]) => sum + time - runs * floor, 0);
  return { perRun, total, floor };
}

let sequence = 0;
async function requests(): Promise<void> {
  sequence += 1;
  const load = {
    url: `http://${address}`,
    label: `bench${sequence}`,
    threads: 4,
    requestsPerThread: 2_500,
    pauseMs: 0,
  };
  await runWrk(client, load, () => nginx.answered(`/r/${load.label}/`));
}
const REQUESTS_PER_ROUND = 10_000;

async function talk(kind: 'tcp-talk' | 'udp-talk'): Promise<void> {
  const talker = startTalker(client, kind, address, ECHO_PORT, 4, 500, 1_000);
  await done(talker);
  await talker.stop('SIGKILL');
}

const KINDS: readonly { kind: string; traffic: () => Promise<unknown> }[] = [
  { kind: 'requests: small requests and answers over keep-alive', traffic: requests },
  {
    kind: 'body: long answers of known length, with the acknowledgements',
    traffic: () => run(client, ['curl', '-s', '-o', '/dev/null', `http://${address}/static/1000000.txt?[1-300]`]),
  },
  { kind: 'other: TCP that is no HTTP', traffic: () => talk('tcp-talk') },
  { kind: 'udp: datagrams', traffic: () => talk('udp-talk') },
];

const perRequest: number[] = [];
const table = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round += 1) {
  for (const { kind, traffic } of KINDS) {
    const { perRun, total, floor } = await measure(traffic);
    if (traffic === requests) perRequest.push(total / REQUESTS_PER_ROUND);
    for (const [program, ns] of [...perRun, ['(empty program)', floor] as const]) {
      const key = `${kind}\t${program}`;
      table.set(key, [...(table.get(key) ?? []), ns]);
    }
  }
}
for (const [key, values] of table) {
  const [kind, program] = key.split('\t');
  process.stdout.write(`${kind}: ${program} ${median(values).toFixed(0)} ns per run\n`);
}
printResult(resultOf('kernel-ns', perRequest, { unit: 'ns/request', goal: GOAL_NS, better: 'lower' }));

statistics.close();
link.close();
empty.close();
await nginx.stop();
await Promise.all([tcpEcho.stop('SIGKILL'), udpEcho.stop('SIGKILL')]);
await flowspan.stop();
process.exit(0);
