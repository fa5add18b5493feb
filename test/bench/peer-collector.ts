/**
 * What the way from a received record to a written batch costs, beside the real OpenTelemetry Collector: the same requests
 * as spans, in the very bytes that Flowspan's own span export sends. Both write to files here. Flowspan: its collector's
 * process as it is shipped (read from the kernel's rings, correlated, counted as metrics, encoded, written to the spool
 * with checksums, synced every second). ClickHouse is reached once and then away, so that the POST is not included. The
 * peer: OTLP over HTTP without compression, its batch processor, its file exporter in the form that is quickest to write,
 * without sync. CPU time is that of the whole process by its cgroup, kernel included; each has one core to itself, and who
 * feeds it has the other. What the kernel does to write records, and what a client does to send spans, is in neither.
 * The governor is off, since every row is counted.
 */
import { readFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { decodeRows } from '../../store/rowbinary.ts';
import { REQUESTS } from '../../store/tables.ts';
import { type FlowspanOptions, startFlowspan } from '../support/flowspan.ts';
import { AS_A_NODE } from './kit/as_a_node.ts';
import { type CpuTime, cpuSince, cpuTime, settle } from './kit/cpu.ts';
import { interleave } from './kit/pairs.ts';
import { differences, MIX, type Mix } from './kit/produced.ts';
import { type ProducedInAll, startProducing } from './kit/producing.ts';
import { median, printResult, resultOf } from './kit/result.ts';
import { startDiscarding } from './peer-collector/discard.ts';
import { startOtelCollector } from './peer-collector/otelcol.ts';
import { bodiesOf, feed, record, spansIn } from './peer-collector/spans.ts';

const GOAL = 20;
const [FEEDERS_CORE, MEASURED_CORE] = ['0', '1'];
/** Requests of a half, as rows and as spans: each a second or two of work. */
const ROWS = 200_000;
const SPANS = 40_000;
/** Requests that are taken down as spans, and how fast a collector is to export them. */
const RECORDED = 10_000;
const RECORDED_PER_SECOND = 5_000;
/** Halves of each until nothing is compiled any more. */
const WARM_UPS = 2;
/** Less than half a ring waits: nothing is lost. */
const FILL = 0.5;
const WAIT_MS = 60_000;
const SETTLE_MS = 300;
const MIX_OF_REQUESTS: Mix = { ...MIX, flows: 0, events: 0 };
/** Spool for all rounds. */
const SPOOL = '16GiB';

const [watched, owners, ours] = [createCgroup(), createCgroup(), createCgroup()];
const clickhouse = await startDiscarding(FEEDERS_CORE);
const env = {
  FLOWSPAN_CLICKHOUSE_URL: clickhouse.url,
  ...AS_A_NODE,
  FLOWSPAN_COLLECTOR_SPOOL_BYTES: SPOOL,
};
const options = (more: Record<string, string> = {}): FlowspanOptions => ({
  processes: ['collector'],
  cgroup: watched,
  env: { ...env, ...more },
});

async function produce(collector: number, count: number, rate?: number): Promise<ProducedInAll> {
  const pace = rate === undefined ? { fill: FILL } : { rate };
  const mix = { ...MIX_OF_REQUESTS, cgroupIds: [owners.id] };
  const { ended } = await startProducing({ collector, cores: FEEDERS_CORE, count, ...pace, ...mix });
  const told = await ended;
  if (told.kinds.request.lost > 0) throw new Error(`FLOW_BENCH_LOST: ${told.kinds.request.lost} records; lower FILL`);
  return told;
}

/** Takes down requests as a collector exports them; its rows are compared with what was written into its rings. */
async function recordSpans(): Promise<{ file: string; spans: number }> {
  const recording = await record();
  const exporting = await startFlowspan(
    options({
      FLOWSPAN_OTLP_ENDPOINT: recording.endpoint,
      FLOWSPAN_OTLP_OWN_SPANS: 'false',
      FLOWSPAN_OTLP_COMPRESSION: 'none',
      FLOWSPAN_COLLECTOR_SPANS_RATIO: '1',
      FLOWSPAN_COLLECTOR_SPANS_MAX_PER_SECOND: '1000000',
      FLOWSPAN_COLLECTOR_SPANS_QUEUE_SPANS: '1000000',
    }),
  );
  await produce(exporting.pid('collector'), RECORDED, RECORDED_PER_SECOND);
  await eventually('the requests to be exported', () => recording.spans >= RECORDED, WAIT_MS);
  const file = await recording.end();
  await exporting.stop();
  const rows = decodeRows(REQUESTS, await clickhouse.first());
  const wrong = rows.flatMap((row) => differences(textIds(row), 'requests', MIX_OF_REQUESTS));
  if (rows.length === 0 || wrong.length > 0) throw new Error(`FLOW_BENCH_ROWS: of ${rows.length} rows ${wrong[0]}`);
  return { file, spans: bodiesOf(readFileSync(file)).reduce((sum, body) => sum + spansIn(body), 0) };
}

const hex = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value);
const textIds = (row: Readonly<Record<string, unknown>>) => ({
  ...row,
  trace_id: hex(row.trace_id),
  parent_span_id: hex(row.parent_span_id),
});

interface Status {
  readonly counters: { readonly request: { readonly rows: number; readonly lost: number; readonly held: number } };
  readonly spool: { readonly bytes: number; readonly memory_bytes: number };
}

const status = async (): Promise<Status> => {
  const answer = await fetch(`${flowspan.collectorUrl}/status`, { signal: AbortSignal.timeout(WAIT_MS) });
  return (await answer.json()) as Status;
};

/** One half: what was written, and with how much CPU. */
interface Half {
  readonly perCpuSecond: number;
  readonly cpu: CpuTime;
}

const half = (count: number, cpu: CpuTime): Half => ({ perCpuSecond: (count / cpu.total) * 1e6, cpu });

let rows = 0;
async function ofFlowspan(): Promise<Half> {
  const before = cpuTime(ours);
  rows += (await produce(flowspan.pid('collector'), ROWS)).count;
  await eventually('all rows to be written', async () => (await status()).counters.request.rows >= rows, WAIT_MS);
  // The last of them are on their way to the file.
  await sleep(SETTLE_MS);
  return half(ROWS, cpuSince(ours, before));
}

async function ofPeer(): Promise<Half> {
  const before = cpuTime(otelcol.cgroup);
  await feed(recorded.file, otelcol.port, times, FEEDERS_CORE);
  await otelcol.written(recorded.spans * times);
  return half(recorded.spans * times, cpuSince(otelcol.cgroup, before));
}

/** Rows that a core could write in a second if they only had to be copied once and written to a file: the best of some. */
async function mostRows(bytesPerRow: number): Promise<number> {
  const [from, to] = [Buffer.alloc(256 * 1024, 'x'), Buffer.alloc(256 * 1024)];
  const perSecond: number[] = [];
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const file = await open(join(temporaryFolder(), 'bytes'), 'w');
    const before = process.cpuUsage();
    for (let piece = 0; piece < 100; piece += 1) {
      from.copy(to);
      writeSync(file.fd, to);
    }
    const { user, system } = process.cpuUsage(before);
    await file.close();
    perSecond.push((100 * from.length) / bytesPerRow / ((user + system) / 1e6));
  }
  return Math.max(...perSecond);
}

const otelcol = await startOtelCollector('proto', MEASURED_CORE);
const recorded = await recordSpans();
const times = Math.ceil(SPANS / recorded.spans);
const flowspan = await startFlowspan(options());
settle(flowspan.pid('collector'), { cgroup: ours, cores: MEASURED_CORE });
await clickhouse.stop();
process.stdout.write(
  `each collector on core ${MEASURED_CORE}, its feeder on core ${FEEDERS_CORE}; ${recorded.spans} requests taken down as spans\n`,
);
for (let round = 0; round < WARM_UPS; round += 1) {
  await ofFlowspan();
  await ofPeer();
}
const describe = ({ perCpuSecond, cpu }: Half): string =>
  `${perCpuSecond.toFixed(0)} per CPU second (${(cpu.total / 1e6).toFixed(2)} s, ${((100 * cpu.system) / cpu.total).toFixed(0)} % kernel)`;
const pairs = await interleave(
  { without: ofPeer, with: ofFlowspan },
  ({ without, with: on }) => `Flowspan ${describe(on)}, OpenTelemetry Collector ${describe(without)}`,
);
const { counters, spool } = await status();
if (counters.request.rows !== rows || counters.request.lost > 0 || spool.memory_bytes > 0) {
  process.stderr.write(
    `FLOW_BENCH_ROWS: ${rows} records became ${JSON.stringify({ counters, spool })}; is the disk full?\n`,
  );
  process.exit(1);
}
const bytesPerRow = spool.bytes / rows;
const peer = Number(median(pairs.map(({ without }) => without.perCpuSecond)).toPrecision(4));
process.stdout.write(
  `Flowspan: ${median(pairs.map(({ with: on }) => on.perCpuSecond)).toPrecision(4)} rows of ${bytesPerRow.toFixed(0)} bytes per CPU second; ${rows} rows in the spool\n`,
);
const limit = (await mostRows(bytesPerRow)) / peer;
printResult(
  resultOf(
    'peer-collector',
    pairs.map(({ without, with: on }) => on.perCpuSecond / without.perCpuSecond),
    {
      unit: "of the peer's rows per CPU second",
      goal: GOAL,
      better: 'higher',
      peer: { name: 'OpenTelemetry Collector, file exporter', value: peer, unit: 'spans/CPU-s' },
      limit: `${limit.toPrecision(3)} (a row's bytes copied once and written to a file)`,
    },
  ),
);
await flowspan.stop();
await otelcol.stop();
process.exit(0);
