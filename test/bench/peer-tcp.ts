/**
 * Retransmits under 1 % loss: how many segments Flowspan's events tell of, against the kernel's own count, and what they
 * cost, against bpftrace on the same tracepoint. Both watch the same retransmits at the same time, so that there is
 * nothing to interleave but rounds with loss and rounds without it: the same bytes at the same rate for the same time.
 * What loss adds to the CPU time of the process and to the run time of its program on the tracepoint is charged to the
 * retransmits, for both alike. So Flowspan pays for the rows of dropped packets too, which bpftrace tells nothing of, and
 * for its rows' way to ClickHouse, but not for what it watches besides. ClickHouse's own work is left out. The traffic has
 * one core, all that watches the other. Prints the share that is seen, then (last line) the ratio of CPU time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { enableStats } from '../../collector/native/addon.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { freePorts } from '../../deploy/lab/ports.ts';
import { listening } from '../../deploy/lab/program.ts';
import { nstat } from '../support/counters.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { programCosts } from '../support/program_costs.ts';
import { witnessWithheldCalls } from '../support/withheld.ts';
import { cpuTime, settle } from './kit/cpu.ts';
import { interleave, type Pair } from './kit/pairs.ts';
import { median, printResult, resultOf } from './kit/result.ts';
import { startBpftrace } from './peer-tcp/bpftrace.ts';
import { send, startReceiver } from './peer-tcp/stream.ts';

const LOSS = 0.01;
const SECONDS = 3;
/** Longer than the last lost segment of a round takes, and a batch. */
const WINDOW_MS = 5_000;
const RATE = { connections: 16, bytesPerSecond: 80e6 };
/** Rounds until nothing is compiled any more. */
const WARM_UPS = 2;
const [TRAFFIC_CORE, WATCHERS_CORE] = ['0', '1'];
const TRACEPOINTS = ['tcp_retransmit_skb', 'tcp_retransmit_synack'];

const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
const [watched, ours] = [createCgroup(), createCgroup()];
const { b } = connect(clientNamespace, serverNamespace);
const [client, server] = [
  { namespace: clientNamespace, cgroup: watched },
  { namespace: serverNamespace, cgroup: watched },
];
const namespaces = [clientNamespace, serverNamespace];
// Each packet one segment, as on a cable: what the rule drops is one segment of a hundred.
for (const namespace of namespaces) namespace.run('ip', 'link', 'set', 'dev', deviceOf(namespace), 'gso_max_segs', '1');
const [port = 0] = await freePorts(1);
const receiver = startReceiver(server, port);
settle(receiver.pid, { cores: TRAFFIC_CORE });
await listening(serverNamespace, port);

const flowspan = await startFlowspan({ cgroup: watched, env: { FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '5' } });
const collector = flowspan.pid('collector');
settle(collector, { cgroup: ours, cores: WATCHERS_CORE });
settle(flowspan.pid('store'), { cores: WATCHERS_CORE });
const bpftrace = await startBpftrace(WATCHERS_CORE);
process.stdout.write(
  `collector, store and ${bpftrace.version} on core ${WATCHERS_CORE}, both ends of the traffic on core ${TRAFFIC_CORE}\n`,
);
const statistics = enableStats();
const withheld = await witnessWithheldCalls(collector, TRACEPOINTS);

function deviceOf(namespace: Namespace): string {
  return /^\d+: ([^@:]+)@/m.exec(namespace.run('ip', '-o', 'link'))?.[1] ?? '';
}

const programsNs = (): number => {
  const costs = programCosts(collector);
  return TRACEPOINTS.reduce((sum, name) => sum + (costs.get(name)?.time ?? 0), 0);
};

/** What has been counted until now. CPU in microseconds: a process's and its program's. */
interface Look {
  /** Sent again, by nstat. */
  readonly segments: number;
  readonly bpftraceLines: number;
  readonly bpftraceUs: number;
  readonly flowspanUs: number;
  /** Of it, Flowspan's programs on the tracepoints. */
  readonly programsUs: number;
}

function look(): Look {
  const programsUs = programsNs() / 1000;
  return {
    segments: namespaces.reduce((sum, each) => sum + (nstat(each).TcpRetransSegs ?? 0), 0),
    bpftraceLines: bpftrace.linesTo(port),
    bpftraceUs: bpftrace.cpu().total + bpftrace.programNs() / 1000,
    flowspanUs: cpuTime(ours).total + programsUs,
    programsUs,
  };
}

/** What one round added, and when it was, in milliseconds since the epoch. */
interface Round extends Look {
  readonly beganMs: number;
  readonly endedMs: number;
}

/** One round: the same bytes, then quiet, until the window ends. */
async function measure(loss: number): Promise<Round> {
  const ends = loss === 0 ? [] : namespaces.map((each) => loseAtRandom(each, loss));
  const beganMs = Date.now();
  const before = look();
  await Promise.all([
    sleep(WINDOW_MS),
    send(client, { host: b.ipv4, port, ...RATE, seconds: SECONDS }, TRAFFIC_CORE).finally(() => {
      for (const end of ends) end();
    }),
  ]);
  const after = look();
  const names = Object.keys(before) as (keyof Look)[];
  const added = Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as Look;
  return { ...added, beganMs, endedMs: Date.now() };
}

/** What the rows of a round tell of. */
async function stored({ beganMs, endedMs }: Round): Promise<{ segments: number; drops: number }> {
  const inodes = namespaces.map(({ inode }) => inode).join(', ');
  const [row] = await flowspan.query<{ segments: string; drops: string }>(
    `SELECT toString(sumIf(segments, event_kind = 'retransmit')) AS segments, toString(countIf(event_kind = 'drop')) AS drops
     FROM tcp_events WHERE netns IN (${inodes}) AND time >= fromUnixTimestamp64Milli(${beganMs})
       AND time < fromUnixTimestamp64Milli(${endedMs})`,
  );
  return { segments: Number(row?.segments), drops: Number(row?.drops) };
}

interface Costs {
  readonly flowspan: number;
  readonly bpftrace: number;
}

/** What loss added, microseconds of CPU per segment that was sent again. */
function costsOf({ with: on, without }: Pair<Round, Round>): Costs {
  const segments = on.segments - without.segments;
  return {
    flowspan: (on.flowspanUs - without.flowspanUs) / segments,
    bpftrace: (on.bpftraceUs - without.bpftraceUs) / segments,
  };
}

const inMs = (us: number): string => (us / 1000).toFixed(1);

for (let round = 0; round < WARM_UPS; round += 1) await measure(LOSS);
const pairs = await interleave({ without: () => measure(0), with: () => measure(LOSS) }, (pair) => {
  const { with: on, without } = pair;
  const costs = costsOf(pair);
  return (
    `${on.segments} segments sent again, ${without.segments} without loss; CPU Flowspan ${inMs(on.flowspanUs)} ms, ` +
    `${inMs(without.flowspanUs)} without loss (programs ${inMs(on.programsUs)}, ${inMs(without.programsUs)}), bpftrace ` +
    `${inMs(on.bpftraceUs)} ms, ${inMs(without.bpftraceUs)} without loss; ${costs.flowspan.toFixed(1)} and ` +
    `${costs.bpftrace.toFixed(1)} us per segment`
  );
});
await flowspan.settled();
const seen: number[] = [];
const seenByBpftrace: number[] = [];
for (const { with: on } of pairs) {
  const { segments, drops } = await stored(on);
  process.stdout.write(
    `nstat ${on.segments}, Flowspan's rows ${segments} and ${drops} of drops, lines of bpftrace ${on.bpftraceLines}\n`,
  );
  if (segments > on.segments) {
    process.stderr.write(
      'FLOW_BENCH_TOO_MANY: more segments are told of than were sent again; run test/fidelity/retransmits.test.ts\n',
    );
    process.exit(1);
  }
  seen.push(segments / on.segments);
  seenByBpftrace.push(on.bpftraceLines / on.segments);
}
const lost = (await flowspan.losses()).filter((line) => line.startsWith('tcp_event '));
process.stdout.write(
  `calls of the tracepoints that the kernel kept from Flowspan's programs, on the whole machine: ${await withheld.count()}; ` +
    `lost events: ${lost.join('; ') || 'none'}\n`,
);
printResult(
  resultOf('peer-tcp-seen', seen, {
    unit: 'share of TcpRetransSegs',
    goal: 1,
    better: 'higher',
    peer: { name: bpftrace.version, value: Number(median(seenByBpftrace).toPrecision(4)) },
    limit: '1 (all that the kernel counts)',
  }),
);
const costs = pairs.map(costsOf);
printResult(
  resultOf(
    'peer-tcp',
    costs.map((each) => each.flowspan / each.bpftrace),
    {
      unit: "of bpftrace's CPU",
      goal: 1,
      better: 'lower',
      peer: {
        name: bpftrace.version,
        value: Number(median(costs.map((each) => each.bpftrace)).toPrecision(4)),
        unit: 'us/segment',
      },
      limit: `${(median(pairs.map(programShare))).toPrecision(2)} (Flowspan's program alone)`,
    },
  ),
);
await withheld.end();
statistics.close();
await bpftrace.stop();
await flowspan.stop();
await receiver.stop();
process.exit(0);

/** The programs' part of bpftrace's cost. */
function programShare({ with: on, without }: Pair<Round, Round>): number {
  return (on.programsUs - without.programsUs) / (on.bpftraceUs - without.bpftraceUs);
}
