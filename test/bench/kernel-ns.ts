/**
 * BPF run time per packet, by what it carries, and per request at the server's end. The kernel's program statistics
 * include what measuring costs; an empty program on the same hook, measured in the same run, tells how much, and is
 * subtracted. Only the server's cgroup is watched, so that each run of a packet program is the server's packet. Tracing
 * programs run for every socket of the machine: what they need to find that one is not the server's (the client's, the
 * collector's, the store's) is charged to the requests as well.
 * Figures: a packet without payload (acknowledgements of a long answer), a packet of body, a packet of TCP that is no
 * HTTP, a request at full load (64 connections), and as the last line a request of four connections that ask and wait.
 * ROUNDS in the environment changes how often each is measured.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enableStats, openObject, openRing } from '../../collector/native/addon.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { listening, run } from '../../deploy/lab/program.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { startNginx } from '../support/nginx.ts';
import { type Cost, costsBetween, programCosts } from '../support/program_costs.ts';
import { done, startTalker } from '../support/talker.ts';
import { runWrk } from '../support/wrk.ts';
import { benchObject } from './kernel-ns/object.ts';
import { AS_A_NODE } from './kit/as_a_node.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const GOAL_REQUEST_NS = 600;
const GOAL_PACKET_NS = 40;
const REQUESTS = 10_000;
const TALKED = 2_000;
const LONG_BYTES = 64 * 1024 ** 2;
const LONG_ANSWERS = 4;
const ECHO_PORT = 7000;
/** Programs that run once per interval, not for a packet or a request. */
const PERIODIC = ['adopt_sockets', 'snapshot_flows', 'sweep_udp_flows', 'tell_refusals'];

const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
const [watched, unwatched] = [createCgroup(), createCgroup()];
const address = connect(clientNamespace, serverNamespace).b.ipv4;
const client = { namespace: clientNamespace, cgroup: unwatched };
const server = { namespace: serverNamespace, cgroup: watched };

const flowspan = await startFlowspan({ cgroup: watched, env: AS_A_NODE });
const nginx = await startNginx(server);
writeFileSync(join(nginx.folder, 'static', 'long.bin'), Buffer.alloc(LONG_BYTES, 'x'));
const tcpEcho = startTalker(server, 'tcp-echo', ECHO_PORT);
const udpEcho = startTalker(server, 'udp-echo', ECHO_PORT);
await listening(serverNamespace, ECHO_PORT);
const [empty, least] = [openObject(benchObject('empty')), openObject(benchObject('least'))];
for (const object of [empty, least]) object.load();
const links = [
  empty.attachCgroup('bench_empty', watched.path),
  least.attachCgroup('least_lookup', watched.path),
  least.attachCgroup('least_record', watched.path),
];
const leastRecords = openRing(least, 'least_records');
const statistics = enableStats();
const pid = flowspan.pid('collector');

function look(): Map<string, Cost> {
  const costs = programCosts(pid);
  for (const { name, runCount, runTimeNs } of [...empty.programStats(), ...least.programStats()]) {
    costs.set(name, { runs: Number(runCount), time: Number(runTimeNs) });
  }
  return costs;
}

/** What programs did while something went on, what measuring costs subtracted. */
interface Measured {
  /** Runs, and net nanoseconds per run, by program. */
  readonly programs: ReadonlyMap<string, { readonly runs: number; readonly net: number }>;
  /** Net nanoseconds of all programs of Flowspan's that are not periodic. */
  readonly total: number;
  /** Requests, or what else was counted. */
  readonly count: number;
}

const scratch = Buffer.alloc(1024 ** 2);

async function measure(traffic: () => Promise<number>): Promise<Measured> {
  while (leastRecords.drain(scratch) > 0);
  const before = look();
  const count = await traffic();
  const costs = costsBetween(before, look());
  const measuring = costs.get('bench_empty');
  if (measuring === undefined || !(count > 0)) {
    throw new Error(
      'FLOW_BENCH_TRAFFIC: no packet went over the watched hook; run it alone, and look at nginx and wrk',
    );
  }
  const floor = measuring.time / measuring.runs;
  const programs = new Map([...costs].map(([name, { runs, time }]) => [name, { runs, net: time / runs - floor }]));
  const total = [...programs]
    .filter(([name]) => !PERIODIC.includes(name) && !/^(bench|least)_/.test(name))
    .reduce((sum, [, { runs, net }]) => sum + runs * net, 0);
  return { programs, total, count };
}

let sequence = 0;
async function waiting(): Promise<number> {
  sequence += 1;
  const label = `bench${sequence}`;
  const load = { url: `http://${address}`, label, threads: 4, requestsPerThread: REQUESTS / 4, pauseMs: 0 };
  await runWrk(client, load, () => nginx.answered(`/r/${label}/`));
  return REQUESTS;
}

async function full(): Promise<number> {
  const text = await run(client, ['wrk', '-t2', '-c64', '-d1s', `http://${address}/r/full/1`]);
  return Number(/(\d+) requests in/.exec(text)?.[1]);
}

async function talk(kind: 'tcp-talk' | 'udp-talk'): Promise<number> {
  const talker = startTalker(client, kind, address, ECHO_PORT, 4, TALKED / 4, 1_000);
  await done(talker);
  await talker.stop('SIGKILL');
  return TALKED;
}

async function long(): Promise<number> {
  await run(client, ['curl', '-s', '-o', '/dev/null', `http://${address}/static/long.bin?[1-${LONG_ANSWERS}]`]);
  return LONG_ANSWERS;
}

const KINDS: Readonly<Record<string, () => Promise<number>>> = {
  'request, waiting': waiting,
  'request, full load': full,
  'long answer': long,
  'other TCP': () => talk('tcp-talk'),
  UDP: () => talk('udp-talk'),
};

const measured = new Map<string, Measured[]>(Object.keys(KINDS).map((kind) => [kind, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [kind, traffic] of Object.entries(KINDS)) measured.get(kind)?.push(await measure(traffic));
}

/** One value per round. */
function each(kind: string, value: (round: Measured) => number): number[] {
  return (measured.get(kind) ?? []).map(value);
}
const perRun = (kind: string, name: string): number[] => each(kind, ({ programs }) => programs.get(name)?.net ?? NaN);
const perRequest = (kind: string): number[] => each(kind, ({ total, count }) => total / count);

for (const [kind, rounds] of measured) {
  const names = new Set(rounds.flatMap(({ programs }) => [...programs.keys()]));
  for (const name of names) {
    const runs = median(each(kind, ({ programs, count }) => (programs.get(name)?.runs ?? 0) / count));
    const net = median(perRun(kind, name).filter((value) => !Number.isNaN(value)));
    if (runs < 0.01) continue;
    process.stdout.write(`${kind}: ${name} ${runs.toFixed(2)} runs each, ${net.toFixed(0)} ns net per run\n`);
  }
}

const lookup = median(perRun('other TCP', 'least_lookup'));
const packetLimit = `${lookup.toFixed(0)} ns: one lookup of the socket's storage, already in the cache`;
/** In: a record; out, read and written: a lookup each. */
function requestLimit(kind: string): string {
  const record = median(perRun(kind, 'least_record')) + 3 * median(perRun(kind, 'least_lookup'));
  return `${record.toFixed(0)} ns, caches warm: four lookups of the socket, one clock, one head copied, one record of 400 bytes`;
}
const packet = { unit: 'ns/packet', goal: GOAL_PACKET_NS, better: 'lower', limit: packetLimit } as const;
const request = { unit: 'ns/request', goal: GOAL_REQUEST_NS, better: 'lower' } as const;
const other = each('other TCP', ({ programs }) => {
  const [into, out] = [programs.get('cgroup_ingress'), programs.get('cgroup_egress')];
  if (into === undefined || out === undefined) return NaN;
  return (into.runs * into.net + out.runs * out.net) / (into.runs + out.runs);
});
printResult(resultOf('kernel-ns-no-payload', perRun('long answer', 'cgroup_ingress'), packet));
printResult(resultOf('kernel-ns-body', perRun('long answer', 'cgroup_egress'), packet));
printResult(resultOf('kernel-ns-other', other, packet));
const busy = 'request, full load';
printResult(resultOf('kernel-ns-full', perRequest(busy), { ...request, limit: requestLimit(busy) }));
const paced = 'request, waiting';
printResult(resultOf('kernel-ns', perRequest(paced), { ...request, limit: requestLimit(paced) }));

statistics.close();
for (const link of links) link.close();
empty.close();
least.close();
await nginx.stop();
await Promise.all([tcpEcho.stop('SIGKILL'), udpEcho.stop('SIGKILL')]);
await flowspan.stop();
process.exit(0);
