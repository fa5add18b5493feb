/**
 * What metrics cost the collector: per record that is counted, and per scrape at 10,000 series, answered over HTTP to
 * curl as OpenMetrics with exemplars. CPU is the collector's main thread's own, which other work of the machine does not
 * change. The stall is the longest time between two turns of the event loop while a scrape is answered: the ring reader
 * waits that long at most. Nothing is watched, so nothing is attached. Last line: CPU of a scrape.
 */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PerformanceObserver } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { REQUEST_RECORD } from '../../bpf/wire/events.gen.ts';
import { CollectorHttp } from '../../collector/src/deliver/http.ts';
import { LiveFeed } from '../../collector/src/deliver/live.ts';
import { EdgeMetrics, type EdgeMetricsOptions } from '../../collector/src/deliver/prometheus/edge_metrics.ts';
import { Scrapes } from '../../collector/src/deliver/prometheus/scrapes.ts';
import { CONTENT_TYPES, formatOf, metricsText } from '../../collector/src/telemetry/metrics_text.ts';
import { openPath } from '../collector/support/path.ts';
import { connection, record, requestRecord } from '../collector/support/records.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const SERIES = Number(process.env.SERIES ?? 10_000);
const ROUNDS = Number(process.env.ROUNDS ?? 20);
const RECORDS = 1_000_000;
const GOAL_RECORD_NS = 500;
const GOAL_STALL_MS = 10;
const GOAL_SCRAPE_MS = 100;

/** Milliseconds that this thread has run. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

const { arena, clock, counters, endpoints } = openPath({ mostEndpoints: 70_000 });
const ends = { source: 0, destination: 0, peerObserved: 1 };
const requestText = { outcome: 1, trace: { valid: false, ids: 0 } };
/** Parts that stand still: what is measured is the counting alone. */
const parts = { arena, clock, endpoints, ends, requestText } as unknown as EdgeMetricsOptions;
const metrics = new EdgeMetrics({
  ...parts,
  dropReasons: { word: String } as unknown as EdgeMetricsOptions['dropReasons'],
  cluster: 'default',
  settings: { max_edges: 100_000, edge_idle_s: 900, exemplars: true },
});

function place(bytes: Buffer): number {
  const at = arena.take(bytes.length);
  arena.bytes.set(bytes, at);
  return at;
}

/** Both ends of a connection: a flow, a request and a retransmit each. */
const RECORDS_OF_ENDS = (['client', 'server'] as const).map((observation_point) => {
  const end = { ...connection({ observation_point }), srtt_us: 300 };
  return {
    flow: place(
      record('flow', {
        ...end,
        bytes_sent: 1000,
        bytes_received: 5000,
        segments_sent: 10,
        flow_state: 'opened',
        application_protocol: 'http1',
      }),
    ),
    request: place(requestRecord({}, { ...connection({ observation_point }), duration_ns: 12_000_000n })),
    event: place(
      record('tcp_event', {
        ...end,
        event_kind: 'retransmit',
        retransmit_cause: 'fast',
        sent_by: 'client',
        segments: 1,
      }),
    ),
  };
});

/** Numbers of endpoints, each a workload of its own. */
function endpoint(index: number): number {
  const identity = {
    kind: 'unit' as const,
    namespace: 'shop',
    workload: `workload-${index}`,
    name: `workload-${index}-7d9c8b6f5-abcde`,
    containerId: '',
    cgroupPath: '/',
    here: true,
    labels: {},
  };
  return endpoints.number({ ...identity, id: BigInt(index + 1) }, 0, 1n);
}

async function text(): Promise<string> {
  let all = '';
  for await (const piece of metricsText(metrics.families('openmetrics'), 'openmetrics')) all += piece;
  return all;
}

const seriesIn = (page: string): number =>
  page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

/** One edge with everything that an edge has in a healthy shop, some of it failing. */
function fillEdge(index: number): void {
  clock.convert(0, 1 + index);
  ends.source = endpoint(2 * index);
  ends.destination = endpoint(2 * index + 1);
  for (const { flow, request, event } of RECORDS_OF_ENDS) {
    metrics.flow(flow);
    metrics.event(event, 1);
    requestText.outcome = 1;
    for (const ns of [400_000, 2_000_000, 12_000_000, 300_000_000]) {
      arena.view.setUint32(request + REQUEST_RECORD.duration_ns, ns, true);
      metrics.request(request, 1);
    }
    requestText.outcome = 3;
    metrics.request(request, 1);
  }
}

let edges = 0;
let found = 0;
while (found < SERIES) {
  const step = edges === 0 ? 1 : Math.max(1, Math.floor(((SERIES - found) / found) * edges * 0.9));
  for (let more = 0; more < step; more += 1) fillEdge(edges + more);
  edges += step;
  found = seriesIn(await text());
}

/** Nanoseconds per record of one kind, over edges in turn; and how often garbage was collected meanwhile. */
async function perRecord(kind: 'flow' | 'request' | 'event'): Promise<{ ns: number; collections: number }> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  const count = () => {
    for (let turn = 0; turn < RECORDS; turn += 1) {
      ends.source = 1 + 2 * (turn % edges);
      ends.destination = ends.source + 1;
      metrics[kind](RECORDS_OF_ENDS[turn & 1]![kind], 1);
    }
  };
  count();
  observer.observe({ entryTypes: ['gc'] });
  const began = cpuMs();
  count();
  const ns = ((cpuMs() - began) * 1e6) / RECORDS;
  await new Promise((resolve) => setTimeout(resolve, 50));
  observer.disconnect();
  return { ns, collections };
}

const perRecords: number[] = [];
for (let round = 0; round < 5; round += 1) {
  for (const kind of ['flow', 'request', 'event'] as const) {
    const { ns, collections } = await perRecord(kind);
    perRecords.push(ns);
    process.stdout.write(`${kind}: ${ns.toFixed(0)} ns per record, ${collections} garbage collections in ${RECORDS}\n`);
  }
}

const http = new CollectorHttp({
  host: '127.0.0.1',
  port: 0,
  token: '',
  live: new LiveFeed({ counters, maxClients: 1, clientBufferBytes: 1, rowsPerSecond: 1 }),
  notReady: () => [],
  status: () => ({}),
  metrics: new Map([
    [
      '/metrics',
      new Scrapes({
        pieces(accept) {
          const format = formatOf(accept);
          return { contentType: CONTENT_TYPES[format], body: metricsText(metrics.families(format), format) };
        },
      }),
    ],
  ]),
});
const port = await http.listen();
const curl = promisify(execFile);

interface Scrape {
  readonly cpu: number;
  /** Longest time between two turns of the event loop, milliseconds: on the wall, and of this thread's CPU. */
  readonly stall: number;
  readonly stallCpu: number;
}

async function scrape(): Promise<Scrape> {
  let [stall, stallCpu] = [0, 0];
  let [wall, cpu] = [performance.now(), cpuMs()];
  const answered = curl('curl', [
    '-s',
    '-o',
    '/dev/null',
    '-H',
    'accept: application/openmetrics-text',
    `http://127.0.0.1:${port}/metrics`,
  ]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  let running = true;
  [wall, cpu] = [performance.now(), cpuMs()];
  const began = cpu;
  let idle = 0;
  const tick = () => {
    const [nowWall, nowCpu] = [performance.now(), cpuMs()];
    stall = Math.max(stall, nowWall - wall);
    stallCpu = Math.max(stallCpu, nowCpu - cpu);
    // A turn in which nothing was rendered is the tick's own.
    if (nowCpu - cpu < 0.1) idle += nowCpu - cpu;
    [wall, cpu] = [nowWall, nowCpu];
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await answered;
  running = false;
  return { cpu: cpuMs() - began - idle, stall, stallCpu };
}

await scrape();
const scrapes: Scrape[] = [];
for (let round = 0; round < ROUNDS; round += 1) scrapes.push(await scrape());
const page = await text();
/** CPU of answering with a page that is there already, sent in one piece: milliseconds. */
const finished = createServer((_, response) => response.end(page));
await new Promise<void>((resolve) => finished.listen(0, '127.0.0.1', resolve));
const sends: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const began = cpuMs();
  await curl('curl', ['-s', '-o', '/dev/null', `http://127.0.0.1:${(finished.address() as AddressInfo).port}/`]);
  sends.push(cpuMs() - began);
}
finished.close();
process.stdout.write(
  `${found} series of ${edges} edges, ${(page.length / 1e6).toFixed(2)} MB, ${page.split('trace_id').length - 1} exemplars\n`,
);
const least = { better: 'lower' as const };
printResult(resultOf('metrics-per-record', perRecords, { unit: 'ns/record', goal: GOAL_RECORD_NS, ...least }));
for (const [name, values] of [
  ['scrape-stall-wall', scrapes.map(({ stall }) => stall)],
  ['scrape-stall', scrapes.map(({ stallCpu }) => stallCpu)],
] as const) {
  printResult(resultOf(name, values, { unit: 'ms', goal: GOAL_STALL_MS, ...least }));
}
printResult(
  resultOf(
    'scrape',
    scrapes.map(({ cpu }) => cpu),
    {
      unit: 'ms CPU',
      goal: GOAL_SCRAPE_MS,
      ...least,
      limit: `${median(sends).toPrecision(2)} (sending a page that is there already)`,
    },
  ),
);
await http.close();
process.exit(0);
