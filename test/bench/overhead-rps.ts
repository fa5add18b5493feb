/**
 * Requests per second of a saturated nginx with Flowspan, divided by without: pairs, interleaved, the order turned round
 * from pair to pair. Every request is stored as a row, which is checked. nginx, wrk, collector and store share this
 * machine's cores: on two of them the ratio holds all of Flowspan's work, also that which elsewhere runs on idle cores.
 * Each pair's line therefore tells as well what a request costs nginx itself, in CPU time. Prints two figures: with the
 * server's end observed only, then (last line) with both ends.
 * PAIRS and SECONDS in the environment change how many pairs there are and how long each half lasts.
 */
import { readFileSync } from 'node:fs';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { type Place, run } from '../../deploy/lab/program.ts';
import { type Flowspan, startFlowspan } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { printResult, resultOf } from './kit/result.ts';

const PAIRS = Number(process.env.PAIRS ?? 10);
const SECONDS = Number(process.env.SECONDS ?? 6);
const CONNECTIONS = 64;
const GOAL = 0.93;
/** USER_HZ, the same on every Linux that Debian builds. */
const TICKS_PER_SECOND = 100;

interface Measured {
  readonly perSecond: number;
  readonly requests: number;
  /** CPU time of nginx per request, microseconds. */
  readonly serverUs: number;
}

/** CPU time of a process and its children that live, in seconds. */
function cpuSeconds(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  const own = [String(pid), ...children].map((each) => {
    const stat = readFileSync(`/proc/${each}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  });
  return own.reduce((sum, seconds) => sum + seconds, 0);
}

async function saturate(client: Place, url: string, server: number): Promise<Measured> {
  const before = cpuSeconds(server);
  const text = await run(client, ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, url], (SECONDS + 20) * 1000);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    requests,
    serverUs: ((cpuSeconds(server) - before) / requests) * 1e6,
  };
}

/** One half with Flowspan: its rate, and by how many rows the store differs from wrk's count. */
async function withFlowspan(
  watched: Cgroup,
  ends: number,
  measure: () => Promise<Measured>,
): Promise<Measured & { missing: number; lost: string[] }> {
  const flowspan: Flowspan = await startFlowspan({ cgroup: watched });
  try {
    const measured = await measure();
    await flowspan.settled();
    const [row] = await flowspan.query<{ count: string }>(
      "SELECT toString(count()) AS count FROM requests WHERE http_path = '/r/bench' AND status = '200'",
    );
    return { ...measured, missing: measured.requests * ends - Number(row?.count), lost: await flowspan.losses() };
  } finally {
    await flowspan.stop();
  }
}

async function bench(name: string, ends: 1 | 2): Promise<number[]> {
  const [clientNamespace, serverNamespace] = [createNamespace(), createNamespace()];
  const watched = createCgroup();
  const unwatched = createCgroup();
  const address = connect(clientNamespace, serverNamespace).b.ipv4;
  const client = { namespace: clientNamespace, cgroup: ends === 2 ? watched : unwatched };
  const nginx: Nginx = await startNginx(
    { namespace: serverNamespace, cgroup: watched },
    { workers: 1, locations: 'location = /r/bench { access_log off; return 200 "hello from a server\\n"; }' },
  );
  const measure = (): Promise<Measured> => saturate(client, `http://${address}/r/bench`, nginx.program.pid);
  await measure();
  const ratios: number[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const before = pair % 2 === 0 ? await measure() : undefined;
    const on = await withFlowspan(watched, ends, measure);
    const off = before ?? (await measure());
    ratios.push(on.perSecond / off.perSecond);
    const lost = on.lost.length === 0 ? '' : `, lost: ${on.lost.join('; ')}`;
    process.stdout.write(
      `${name} pair ${pair + 1}: ${off.perSecond.toFixed(0)} without, ${on.perSecond.toFixed(0)} with, ` +
        `${(on.perSecond / off.perSecond).toFixed(4)}; nginx ${off.serverUs.toFixed(2)} -> ${on.serverUs.toFixed(2)} us per request; rows missing: ${on.missing} of ${on.requests * ends}${lost}\n`,
    );
  }
  await nginx.stop();
  return ratios;
}

for (const [name, ends] of [
  ['overhead-rps-server-end', 1],
  ['overhead-rps', 2],
] as const) {
  printResult(resultOf(name, await bench(name, ends), { unit: 'ratio', goal: GOAL, better: 'higher' }));
}
process.exit(0);
