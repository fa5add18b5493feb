/**
 * How old a fact is when it is first seen: from the moment a client has read the end of a response to the moment a
 * watcher of the query API's live feed has that request (`freshness-live`), and to the moment an answer of GET /v1/requests
 * holds it (last line, `freshness`), one after the other. Real requests to nginx at a modest rate and at random moments; half of them from a
 * client that is observed as well, half from one that is not. All of Flowspan runs with its default settings. Quantiles
 * over all requests; a request that never came would end the run. SECONDS in the environment changes how long it lasts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { startFlowspan } from '../support/flowspan.ts';
import { startNginx } from '../support/nginx.ts';
import { askForRequests } from './freshness/queryable.ts';
import { GOVERNED } from './kit/as_a_node.ts';
import { pinned } from './kit/cpu.ts';
import { printResult, quantile, resultOf } from './kit/result.ts';

const SECONDS = Number(process.env.SECONDS ?? 40);
const MEAN_GAP_MS = 50;
const GOALS_MS = { live: 100, queryable: 2000 };
/** Core of nginx and its clients; Flowspan runs on all. */
const CORE = '0';
const CLIENT = new URL('./freshness/client.ts', import.meta.url).pathname;

const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
const [watched, unwatched] = [createCgroup(), createCgroup()];
const address = connect(clientNamespace, serverNamespace).b.ipv4;
const nginx = await startNginx({ namespace: serverNamespace, cgroup: watched }, { workers: 1 });
const flowspan = await startFlowspan({
  processes: ['store', 'collector', 'query-api'],
  cgroup: watched,
  env: GOVERNED,
});

/** When each path's response had been read, milliseconds since the epoch. */
async function requests(label: string, cgroup: Cgroup, count: number): Promise<Map<string, number>> {
  const program = [process.execPath, CLIENT, `http://${address}`, label, String(count), String(MEAN_GAP_MS)];
  const text = await run({ namespace: clientNamespace, cgroup }, pinned(CORE, program), (SECONDS + 60) * 1000);
  const lines = text.trim().split('\n');
  return new Map(lines.map((line) => [`/r/${label}/${line.split(' ')[0]}`, Number(line.split(' ')[1])]));
}

/** How long each request took to be seen, in milliseconds: those of an observed client, those of another. */
async function waits(name: string, firstSeen: ReadonlyMap<string, number>, count: number): Promise<number[][]> {
  const ended = await Promise.all([
    requests(`${name}both`, watched, count),
    requests(`${name}server`, unwatched, count),
  ]);
  const missing = (): string[] => ended.flatMap((each) => [...each.keys()]).filter((path) => !firstSeen.has(path));
  await eventually('all requests to be seen', () => missing().length === 0, 15_000).catch(() => {
    const shown = `${missing().length} of ${2 * count} requests were not seen (${name}), such as ${missing()[0]}`;
    process.stderr.write(`FLOW_BENCH_ROWS: ${shown}; see what the collector prints and GET /status\n`);
    process.exit(1);
  });
  return ended.map((each) => [...each].map(([path, endedMs]) => (firstSeen.get(path) as number) - endedMs));
}

const shown = (values: readonly number[]): string =>
  [0.5, 0.9, 0.99, 1].map((share) => `p${share * 100} ${quantile(values, share).toFixed(0)}`).join(', ');

function tell(name: string, goal: number, [bothEnds = [], serverEnd = []]: readonly number[][]): void {
  const all = [...bothEnds, ...serverEnd];
  process.stdout.write(`${name}, both ends observed, ms: ${shown(bothEnds)}\n`);
  process.stdout.write(`${name}, server's end observed, ms: ${shown(serverEnd)}\n`);
  const result = resultOf(name, all, { unit: 'ms, p99', goal, better: 'lower' });
  printResult({ ...result, value: Number(quantile(all, 0.99).toPrecision(4)) });
}

const count = Math.round((SECONDS * 500) / MEAN_GAP_MS);
process.stdout.write(
  `${2 * count} requests each, ${2000 / MEAN_GAP_MS} per second; nginx and clients on core ${CORE}, Flowspan on all\n`,
);
// The first requests and questions load code and fill caches: they do not count.
const warming = askForRequests(flowspan.queryApiUrl);
await waits('warmup', warming.firstSeen, 20);
await warming.stop();

const liveSeen = new Map<string, number>();
const socket = new WebSocket(`${flowspan.queryApiUrl.replace('http', 'ws')}/v1/live?types=request`);
socket.on('message', (frame: Buffer) => {
  const read = performance.timeOrigin + performance.now();
  const { type, row } = JSON.parse(frame.toString()) as { type: string; row?: { http_path: string } };
  if (type === 'request' && row !== undefined && !liveSeen.has(row.http_path)) liveSeen.set(row.http_path, read);
});
await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
await sleep(1000);
tell('freshness-live', GOALS_MS.live, await waits('live', liveSeen, count));
socket.terminate();

const asking = askForRequests(flowspan.queryApiUrl);
const stored = await waits('stored', asking.firstSeen, count);
await asking.stop();
process.stdout.write(`GET /v1/requests, one after the other, ms: ${shown(asking.answersMs)}\n`);
tell('freshness', GOALS_MS.queryable, stored);

await nginx.stop();
await flowspan.stop();
process.exit(0);
