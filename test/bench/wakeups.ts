/**
 * How often the reader of the rings is woken, and how late a record is that comes alone. The collector runs as it does
 * for a user, on core 0, the store on core 1; records come from there through the production kernel code (kit/produce.ts).
 * Wake-ups are all times that its main thread went to sleep and was woken, whatever for: the rings, timers, the disk.
 * Last line: wake-ups per 1,000 records at full load, which is as many as are read while the rings are half full.
 * ROUNDS and SECONDS by environment.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { AS_A_NODE } from './kit/as_a_node.ts';
import { settle } from './kit/cpu.ts';
import { openProducer } from './kit/produce.ts';
import { type ProducedInAll, startProducing } from './kit/producing.ts';
import { printResult, quantile, resultOf } from './kit/result.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const SECONDS = Number(process.env.SECONDS ?? 3);
const LONE = 100;
const [GOAL_WAKEUPS, GOAL_MS] = [1, 100];
/** A lone record that is not told by then is missing. */
const PATIENCE_MS = 10_000;

const [watched, owner] = [createCgroup(), createCgroup()];
const flowspan = await startFlowspan({
  cgroup: watched,
  env: AS_A_NODE,
});
const collector = flowspan.pid('collector');
settle(collector, { cores: '0' });
settle(flowspan.pid('store'), { cores: '1' });
const shared = { collector, cgroupIds: [owner.id] };

/** Times that the main thread has slept and was woken. */
function sleeps(): number {
  const status = readFileSync(`/proc/${collector}/task/${collector}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}

const lostOf = ({ kinds }: ProducedInAll): number => Object.values(kinds).reduce((sum, { lost }) => sum + lost, 0);

async function fullLoad(): Promise<{ per1000: number; perSecond: number }> {
  const producing = await startProducing({ ...shared, cores: '1', fill: 0.5 });
  await wait(500);
  const before = sleeps();
  const counted = await flowspanRead();
  const beganMs = performance.now();
  await wait(SECONDS * 1000);
  const woken = sleeps() - before;
  const records = (await flowspanRead()) - counted;
  const tookMs = performance.now() - beganMs;
  const told = await producing.stop();
  if (lostOf(told) > 0) throw new Error('FLOW_BENCH_ROWS: records were lost; the rings were to be half full');
  return { per1000: (woken / records) * 1000, perSecond: (records / tookMs) * 1000 };
}

/** Records that the collector has read. */
async function flowspanRead(): Promise<number> {
  const answer = await fetch(`${flowspan.collectorUrl}/status`);
  const { counters } = (await answer.json()) as { counters: Record<string, { read: number }> };
  return Object.values(counters).reduce((sum, { read }) => sum + read, 0);
}

/** Milliseconds from a record's being written to its arrival at a watcher of the live feed, one after the other. */
async function loneRecords(): Promise<number[]> {
  const producer = openProducer({ ...shared, flows: 0, events: 0 });
  const socket = new WebSocket(`${flowspan.collectorUrl.replace('http', 'ws')}/live`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('FLOW_BENCH_LIVE: the live feed cannot be watched'));
  });
  let arrived: (() => void) | undefined;
  socket.onmessage = ({ data }) => {
    if (String(data).startsWith('{"type":"request"')) arrived?.();
  };
  const late: number[] = [];
  try {
    await wait(1000);
    for (let record = 0; record < LONE; record += 1) {
      const told = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const beganMs = performance.now();
      producer.produce(1);
      const timeout = wait(PATIENCE_MS, 'late', { ref: false });
      if ((await Promise.race([told, timeout])) === 'late')
        throw new Error('FLOW_BENCH_ROWS: a lone record never came');
      late.push(performance.now() - beganMs);
      // So that it meets the reader's timer anywhere between two looks.
      await wait(60 + 25 * Math.random());
    }
  } finally {
    socket.close();
    producer.close();
  }
  return late;
}

try {
  const late = await loneRecords();
  process.stdout.write(`lone records: ${late.length}, median ${quantile(late, 0.5).toFixed(1)} ms\n`);
  const p99s = [quantile(late, 0.99)];
  const rounds: Awaited<ReturnType<typeof fullLoad>>[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = await fullLoad();
    rounds.push(one);
    process.stdout.write(
      `round ${round + 1}: ${one.per1000.toFixed(3)} wake-ups per 1,000 records at ${Math.round(one.perSecond)} records/s\n`,
    );
  }
  const timers = 'a reader that rests is woken; else two looks of 25 ms, as a record waits for the look after its own';
  printResult(
    resultOf('wakeups: lone record, p99', p99s, { unit: 'ms', goal: GOAL_MS, better: 'lower', limit: timers }),
  );
  const per1000 = rounds.map((round) => round.per1000);
  printResult(resultOf('wakeups', per1000, { unit: 'per 1,000 records', goal: GOAL_WAKEUPS, better: 'lower' }));
} finally {
  await flowspan.stop();
}
process.exit(0);
