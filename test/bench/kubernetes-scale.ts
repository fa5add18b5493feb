/**
 * What the largest clusters cost a collector: memory, the time of the first sync, and the changes after it. The list and
 * the watch come over loopback without TLS from a stand-in of its own process; the index and the reflectors are the
 * collector's. CPU is that of this process. Last line: resident memory that the index keeps, a good minute after the sync.
 * PODS, SERVICES, NODES and CHANGES (a second) by environment; LIST=pages for a server that does not stream lists.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { giveBackMemory } from '../../collector/native/addon.ts';
import { KubernetesIdentity } from '../../collector/src/control/kubernetes/identity.ts';
import { KubernetesWatch } from '../../collector/src/control/kubernetes/watch.ts';
import { keepHeapSmall } from '../../collector/src/small_heap.ts';
import { printResult, resultOf } from './kit/result.ts';

const { PODS = '150000', SERVICES = '10000', NODES = '5000', CHANGES = '30', LIST = 'stream' } = process.env;
const SYNC_MOST_MS = 300_000;
/** Longer than until lists are tidied up after for the second time. */
const CHANGES_S = 75;

// As the collector is started; what is imported here before has grown nothing much.
keepHeapSmall();
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Megabytes of memory by kind. */
const memory = (): Record<string, number> =>
  Object.fromEntries(Object.entries(process.memoryUsage()).map(([kind, bytes]) => [kind, Math.round(bytes / 1e6)]));

/** Resident megabytes once nothing more is given back. */
async function residentMb(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    collectGarbage();
    await wait(300);
  }
  return process.memoryUsage.rss() / 1e6;
}

const cpuS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const server = spawn(
  process.execPath,
  [join(import.meta.dirname, 'kubernetes/server.ts'), PODS, SERVICES, NODES, CHANGES, LIST],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
process.on('exit', () => server.kill());
const [port] = (await once(server.stdout, 'data')) as [Buffer];
const folder = mkdtempSync(join(tmpdir(), 'flowspan-bench-'));
const kubeconfig = join(folder, 'kubeconfig');
const cluster = { server: `http://127.0.0.1:${String(port).trim()}`, 'insecure-skip-tls-verify': true };
writeFileSync(
  kubeconfig,
  JSON.stringify({
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 'x' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }),
);

const log = pino({ level: 'warn' });
const watch = new KubernetesWatch({
  kubeconfig,
  context: '',
  version: 'bench',
  log,
  patienceMs: SYNC_MOST_MS,
  tidy: giveBackMemory,
});
const identity = new KubernetesIdentity({ node: 'node-0', feed: watch, nowMs: Date.now, cgroupIsThere: () => true });
const beforeMb = await residentMb();
const before = memory();
let peakMb = beforeMb;
const peak = setInterval(() => {
  peakMb = Math.max(peakMb, process.memoryUsage.rss() / 1e6);
}, 500);
const [begunMs, begunCpu] = [performance.now(), cpuS()];
await identity.sync();
const [syncS, syncCpuS] = [(performance.now() - begunMs) / 1000, cpuS() - begunCpu];
clearInterval(peak);
const resources = watch.status();
if (!watch.synced) throw new Error(`not synced after ${SYNC_MOST_MS / 1000} s: ${JSON.stringify(resources)}`);
const after = memory();

const quiet = cpuS();
await wait(CHANGES_S * 1000);
const changesCpu = ((cpuS() - quiet) / CHANGES_S) * 100;
const afterMb = await residentMb();

for (const { resource, objects, requests, bytes } of resources)
  console.log(JSON.stringify({ resource, objects, requests, bytes }));
console.log(
  JSON.stringify({
    before_mb: before,
    synced_mb: after,
    later_mb: memory(),
    peak_resident_mb: peakMb,
    sync_wall_s: syncS,
  }),
);
printResult(
  resultOf('kubernetes-changes-cpu', [changesCpu], { unit: `% of a core at ${CHANGES}/s`, goal: 2, better: 'lower' }),
);
printResult(resultOf('kubernetes-sync-cpu', [syncCpuS], { unit: 's', goal: 5, better: 'lower' }));
printResult(resultOf('kubernetes-scale', [afterMb - beforeMb], { unit: 'MB', goal: 40, better: 'lower' }));
identity.close();
watch.close();
rmSync(folder, { recursive: true });
process.exit(0);
