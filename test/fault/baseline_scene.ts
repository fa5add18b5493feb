/** What Flowspan's processes and the kernel hold for it, and the churn after which it should be as before. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace } from '../../deploy/lab/namespace.ts';
import { run } from '../../deploy/lab/program.ts';
import { type Flowspan, startFlowspan } from '../support/flowspan.ts';
import { residentBytes } from '../support/resident.ts';

const PROCESSES = ['store', 'collector', 'query-api'] as const;
/** Map types whose entries come and go, and can be listed. */
const LISTED = /^(lru_)?(percpu_)?hash$/;

/** Figures by name: resident bytes and descriptors of each process, entries of each map. */
export type Held = Readonly<Record<string, number>>;

/** How far each figure may be above what it was. */
export interface Tolerance {
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly entries: number;
}

/**
 * The engine keeps three descriptors per worker thread, and has more threads the more it was asked at once, up to its
 * limit: 31 to 44 of them in twelve rounds. They are not counted.
 */
const OF_A_THREAD = /^\/proc\/\d+\/task\/\d+\/(stat|schedstat|io)$/;

function descriptors(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return !OF_A_THREAD.test(readlinkSync(`${folder}/${name}`));
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}

/** One round: connections, requests that are answered, cut off or refused, datagrams, cgroups, a namespace. */
const ROUND = `
const http = require('node:http'), net = require('node:net'), dgram = require('node:dgram');
const [connections, datagrams] = process.argv.slice(1).map(Number);
const server = http.createServer((q, a) => { q.resume(); if (q.url.endsWith('/7')) q.socket.destroy(); else a.end('x'.repeat(300)); });
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  const udp = dgram.createSocket('udp4');
  for (let at = 0; at < datagrams; at += 1) udp.send('x', 53000 + at, '127.0.0.1');
  const one = (number) => new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write('GET /a/' + (number % 10) + ' HTTP/1.1\\r\\nHost: h\\r\\n\\r\\nGET /b/' + (number % 10) + ' HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n');
      setTimeout(() => (number % 3 ? socket.end() : socket.resetAndDestroy()), 20);
    });
    socket.resume(); socket.on('error', () => {}); socket.on('close', resolve);
  });
  for (let at = 0; at < connections; at += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => one(at + i)));
  net.connect(1, '127.0.0.1').on('error', () => process.exit(0));
});`;

export interface BaselineScene {
  readonly flowspan: Flowspan;
  /** Does a round of everything. */
  churn(size: { connections: number; datagrams: number; cgroups: number }): Promise<void>;
  held(): Held;
  end(): Promise<void>;
}

/** Starts all three processes on a cgroup of their own. */
export async function openBaseline(): Promise<BaselineScene> {
  const cgroup: Cgroup = createCgroup();
  const flowspan = await startFlowspan({
    cgroup,
    processes: ['store', 'collector', 'query-api'],
    env: { FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true' },
  });
  return {
    flowspan,
    async churn({ connections, datagrams, cgroups }) {
      const script = [process.execPath, '-e', ROUND, String(connections), String(datagrams)];
      await run({ cgroup }, script);
      const namespace = createNamespace();
      await run({ cgroup, namespace }, [process.execPath, '-e', ROUND, '50', '0']);
      namespace.remove();
      for (let at = 0; at < cgroups; at += 1) {
        const below = createCgroup(cgroup.path);
        await run({ cgroup: below }, ['/bin/true']);
        below.remove();
      }
      const asked = ['requests', 'flows', 'edges'].map((what) => fetch(`${flowspan.queryApiUrl}/v1/${what}?since=1m`));
      for (const answer of await Promise.all(asked)) await answer.arrayBuffer();
      await sleep(200);
    },
    held() {
      const figures: Record<string, number> = {};
      for (const name of PROCESSES) {
        const pid = flowspan.pid(name);
        figures[`${name} resident`] = residentBytes(pid);
        figures[`${name} descriptors`] = descriptors(pid);
      }
      for (const [name, entries] of mapEntries(flowspan.pid('collector'))) figures[`map ${name} entries`] = entries;
      return figures;
    },
    async end() {
      await flowspan.stop();
      cgroup.remove();
    },
  };
}

/** Entries of each map that a process has open, where the kernel lists them. */
function mapEntries(pid: number): Map<string, number> {
  const ids = new Set<string>();
  for (const descriptor of readdirSync(`/proc/${pid}/fdinfo`)) {
    try {
      const id = /^map_id:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1];
      if (id !== undefined) ids.add(id);
    } catch {
      // closed meanwhile
    }
  }
  const counts = new Map<string, number>();
  for (const id of ids) {
    const ask = (...what: string[]) =>
      execFileSync('bpftool', ['-j', 'map', ...what, 'id', id], { encoding: 'utf8', maxBuffer: 256 * 1024 ** 2 });
    const { name, type } = JSON.parse(ask('show')) as { name: string; type: string };
    if (LISTED.test(type)) counts.set(name, (JSON.parse(ask('dump')) as unknown[]).length);
  }
  return counts;
}

/** What is above the baseline by more than is tolerated, as text. */
export function above(baseline: Held, now: Held, tolerance: Tolerance): string[] {
  const allowed = (name: string) =>
    name.endsWith('resident')
      ? tolerance.residentBytes
      : name.endsWith('descriptors')
        ? tolerance.descriptors
        : tolerance.entries;
  return Object.entries(now).flatMap(([name, value]) => {
    const before = baseline[name] ?? 0;
    return value - before > allowed(name) ? [`${name}: ${before} -> ${value}`] : [];
  });
}
