/**
 * Rows per second from the kernel to rows that a query returns, all parts on this machine's cores: a BPF program writes
 * records through the production code into the running collector's rings, as fast as they are read (nothing is lost, which
 * is checked), the collector makes rows of them, spools and inserts them, the store keeps them. The time runs from the first
 * record until a query counts all of them in their tables. A sample is compared field by field. The governor is off:
 * it would count instead of keeping rows. COUNT (records) and ROUNDS in the environment change how much.
 */
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan } from '../support/flowspan.ts';
import { AS_A_NODE } from './kit/as_a_node.ts';
import { cpuSince, cpuTime, settle } from './kit/cpu.ts';
import { differences, MIX, sampleQuery } from './kit/produced.ts';
import { startProducing } from './kit/producing.ts';
import { printResult, resultOf } from './kit/result.ts';

const COUNT = Number(process.env.COUNT ?? 2_000_000);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const GOAL = 500_000;
const SAMPLE = 300;
/** Share of a ring that may wait: the writer holds still beyond it. */
const FILL = 0.5;
const LONGEST_MS = 60_000;
const CORES = '0,1';
const TABLES = ['flows', 'tcp_events', 'requests'] as const;

class Unmeasured extends Error {}

/** Rows by table; what else the kernel tells of the machine (packet drops) is nobody's record here. */
async function storedRows(flowspan: Flowspan): Promise<Map<string, number>> {
  const tables = TABLES.map(
    (table) =>
      `SELECT '${table}' AS name, count() AS rows FROM ${table}${table === 'tcp_events' ? " WHERE event_kind = 'retransmit'" : ''}`,
  );
  const rows = await flowspan.query<{ name: string; rows: string }>(tables.join(' UNION ALL '));
  return new Map(rows.map(({ name, rows: count }) => [name, Number(count)]));
}

/** Rows that the records must become, by table: the last byte of what is drawn for a record says its kind. */
async function wantedRows(flowspan: Flowspan): Promise<Map<string, number>> {
  const mixed = (bits: string, shift: number, factor: string) =>
    `bitXor(${bits}, bitShiftRight(${bits}, ${shift})) * toUInt64(${factor})`;
  const drawn = `WITH number + toUInt64(0x9e3779b97f4a7c15) AS a, ${mixed('a', 30, '0xbf58476d1ce4e5b9')} AS b, ${mixed('b', 27, '0x94d049bb133111eb')} AS c
    SELECT bitAnd(bitXor(c, bitShiftRight(c, 31)), 255) AS kind FROM numbers(${COUNT})`;
  const events = MIX.flows + MIX.events;
  const [row] = await flowspan.query<Record<string, string>>(
    `SELECT countIf(kind < ${MIX.flows}) AS flows, countIf(kind >= ${MIX.flows} AND kind < ${events}) AS tcp_events, countIf(kind >= ${events}) AS requests FROM (${drawn})`,
  );
  return new Map(Object.entries(row ?? {}).map(([table, count]) => [table, Number(count)]));
}

/** What is missing; empty if nothing is. */
async function missing(flowspan: Flowspan, wanted: ReadonlyMap<string, number>): Promise<string> {
  const stored = await storedRows(flowspan);
  return TABLES.filter((table) => stored.get(table) !== wanted.get(table))
    .map((table) => `${table}: ${stored.get(table)} of ${wanted.get(table)}`)
    .join(', ');
}

async function compare(flowspan: Flowspan): Promise<void> {
  for (const table of TABLES) {
    const rows = await flowspan.query(sampleQuery(table, SAMPLE));
    const wrong = rows.flatMap((row) => differences(row, table, MIX));
    if (wrong.length > 0) throw new Unmeasured(`FLOW_BENCH_DIFFERENT: ${wrong[0]}; look at what changed on the path`);
  }
}

/** Rows per second of one Flowspan. */
async function round(): Promise<number> {
  const [watched, connections] = [createCgroup(), createCgroup()];
  const [collectorGroup, storeGroup] = [createCgroup(), createCgroup()];
  const flowspan = await startFlowspan({
    cgroup: watched,
    env: AS_A_NODE,
  });
  try {
    settle(flowspan.pid('collector'), { cgroup: collectorGroup });
    settle(flowspan.pid('store'), { cgroup: storeGroup });
    const wanted = await wantedRows(flowspan);
    const producing = await startProducing({
      collector: flowspan.pid('collector'),
      cores: CORES,
      cgroupIds: [connections.id],
      fill: FILL,
      count: COUNT,
    });
    const began = performance.now();
    const before = { collector: cpuTime(collectorGroup), store: cpuTime(storeGroup) };
    const produced = await producing.ended;
    const lost = Object.values(produced.kinds).reduce((sum, kind) => sum + kind.lost, 0);
    let left = '';
    await eventually(
      'all rows',
      async () => {
        left = await missing(flowspan, wanted);
        return left === '';
      },
      LONGEST_MS,
    ).catch(async () => {
      const told = `${(await flowspan.losses()).join(', ')}\n${flowspan.output()}`;
      throw new Unmeasured(`FLOW_BENCH_ROWS: stored ${left}; see the losses and what was printed:\n${told}`);
    });
    const tookMs = performance.now() - began;
    const used = {
      collector: cpuSince(collectorGroup, before.collector),
      store: cpuSince(storeGroup, before.store),
    };
    const losses = await flowspan.losses();
    if (lost > 0 || losses.length > 0)
      throw new Unmeasured(`FLOW_BENCH_LOST: ${lost} in the rings; ${losses.join(', ')}; is another process at work?`);
    await compare(flowspan);
    const perRow = (name: keyof typeof used): string => {
      const { user, system } = used[name];
      return `${name} ${((user * 1000) / COUNT).toFixed(0)} ns user + ${((system * 1000) / COUNT).toFixed(0)} system`;
    };
    process.stdout.write(
      `${COUNT} rows in ${(tookMs / 1000).toFixed(2)} s, the last record written after ${(produced.tookMs / 1000).toFixed(2)} s; ` +
        `CPU per row: ${perRow('collector')}, ${perRow('store')}\n`,
    );
    return (COUNT / tookMs) * 1000;
  } finally {
    await flowspan.stop();
  }
}

try {
  process.stdout.write(`records are written, read, inserted and merged on cores ${CORES}\n`);
  const rates: number[] = [];
  for (let made = 0; made < ROUNDS; made += 1) rates.push(await round());
  printResult(resultOf('pipeline', rates, { unit: 'rows/s', goal: GOAL, better: 'higher' }));
  process.exit(0);
} catch (error) {
  if (!(error instanceof Unmeasured)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
