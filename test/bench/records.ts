/**
 * What a record costs the collector's main thread on its way from drained bytes to a row: who both ends are, metrics and
 * the row itself, without kernel and database. One figure per place that the other end can be at; CPU is this thread's
 * own. Last line: the dearest of them.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { openCluster } from '../collector/kubernetes/support/cluster.ts';
import { nodeObject, podObject, serviceObject } from '../collector/kubernetes/support/objects.ts';
import { EPOCH_NS, openPath } from '../collector/support/path.ts';
import { connection, record, requestRecord, type Values } from '../collector/support/records.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 9);
/** Connections of each kind, all open at once. */
const CONNECTIONS = 3000;
const PASSES = 40;
const GOAL_NS = 2000;

const uid = (index: number) => `aaaaaaaa-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
const address = (second: number, index: number) => `10.${second}.${index >> 8}.${index & 255}`;
const container = 'ab'.repeat(32);

const { identity, put, clock, close } = await openCluster('node-1');
clock.ms = Number(EPOCH_NS / 1_000_000n);
put('nodes', nodeObject('node-1', 'n1', ['192.0.2.1']), nodeObject('node-2', 'n2', ['192.0.2.2']));
const life = { startedMs: clock.ms, runningMs: clock.ms };
for (let index = 0; index < CONNECTIONS; index += 1) {
  const node = index % 2 === 0 ? 'node-1' : 'node-2';
  put('pods', podObject({ uid: uid(index), name: `p-${index}`, node, address: address(1, index), ...life }));
}
for (let index = 0; index < 100; index += 1)
  put('services', serviceObject({ name: `s-${index}`, addresses: [address(96, index)], ports: [{ port: 80 }] }));

const path = openPath({
  extraSources: [identity],
  cgroups: Object.fromEntries([0, 2].map((index) => [10 + index, `/kubepods/pod${uid(index)}/${container}`])),
  mostEndpoints: 20_000,
  keepRows: false,
});
const { arena, pipeline } = path;

/** By name: both ends of a connection, or the one that is observed here. */
const SHAPES: Readonly<Record<string, (index: number) => readonly Values[]>> = {
  'both ends here': (index) => {
    const both = { ...pair(index), destination_address: address(1, 2), source_address: address(1, 0) };
    return [
      { ...both, observation_point: 'client', owner_cgroup_id: 10 },
      { ...both, observation_point: 'server', owner_cgroup_id: 12, traffic_direction: 'ingress' },
    ];
  },
  'to a pod elsewhere': (index) => [{ ...pair(index), destination_address: address(1, index | 1) }],
  'from a pod elsewhere': (index) => [
    {
      ...{ ...pair(index), source_address: address(1, index | 1), destination_address: address(1, 2) },
      ...{ observation_point: 'server', owner_cgroup_id: 12, traffic_direction: 'ingress' },
    },
  ],
  'to a service': (index) => [{ ...pair(index), destination_address: address(96, index % 100) }],
  'to an unknown address': (index) => [{ ...pair(index), destination_address: address(200, index) }],
};

function pair(index: number): Values {
  return {
    ...{ observation_point: 'client', owner_cgroup_id: 10, source_address: address(1, 0) },
    ...{ source_port: 1024 + index, socket_cookie: 1 + index, destination_port: 80 },
    ...{ source_sequence_begin: 1 + index * 77_777, destination_sequence_begin: 5 + index * 99_991 },
  };
}

const room = arena.take(4 * 1024 * 1024);

/** Nanoseconds of CPU per record, and how often garbage was collected meanwhile. */
async function measure(records: readonly Buffer[]): Promise<{ ns: number; collections: number }> {
  let end = room;
  for (const bytes of records) {
    arena.bytes.set(bytes, end);
    end += bytes.length;
  }
  const run = (passes: number) => {
    for (let pass = 0; pass < passes; pass += 1) pipeline.read(room, end);
  };
  run(PASSES / 2);
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = process.threadCpuUsage();
  run(PASSES);
  const { user, system } = process.threadCpuUsage(before);
  await new Promise((resolve) => setTimeout(resolve, 20));
  observer.disconnect();
  pipeline.read(end, end);
  return { ns: ((user + system) * 1000) / (PASSES * records.length), collections };
}

const figures = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, ends] of Object.entries(SHAPES)) {
    for (const kind of ['flow', 'request'] as const) {
      const records = Array.from({ length: CONNECTIONS }, (_, index) => ends(index).map(connection)).flat();
      const made = records.map((values) => (kind === 'flow' ? record('flow', values) : requestRecord({}, values)));
      const { ns, collections } = await measure(made);
      const key = `${kind} ${name}`;
      figures.set(key, [...(figures.get(key) ?? []), ns]);
      if (collections > 5) process.stdout.write(`${key}: ${collections} garbage collections\n`);
    }
  }
}
close();
for (const [name, values] of figures)
  process.stdout.write(`${name}: ${median(values).toFixed(0)} ns (${Math.min(...values).toFixed(0)} at best)\n`);
const dearest = [...figures].sort(([, a], [, b]) => median(b) - median(a))[0]!;
printResult(resultOf(`records: ${dearest[0]}`, dearest[1], { unit: 'ns', goal: GOAL_NS, better: 'lower' }));
