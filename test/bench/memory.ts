/**
 * Resident memory of the collector at 10,000 requests a second over 10,000 connections, as cpu-10k: looked at every
 * second after a warm-up. Kernel memory (rings, maps, socket storage) is not resident memory and is told beside.
 * SECONDS in the environment: how long is looked.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../support/resident.ts';
import { printResult, resultOf } from './kit/result.ts';
import { startTenThousand } from './kit/ten_thousand.ts';

const SECONDS = Number(process.env.SECONDS ?? 50);
const CONNECTIONS = 10_000;
const WARM_UP_MS = 10_000;
const MB = 1e6;

const { flowspan, end } = await startTenThousand(CONNECTIONS);
const pid = flowspan.pid('collector');
await sleep(WARM_UP_MS);
const looks: number[] = [];
for (let look = 0; look < SECONDS; look += 1) {
  await sleep(1000);
  looks.push(residentBytes(pid) / MB);
}
const status = readFileSync(`/proc/${pid}/status`, 'utf8');
const kinds = [...status.matchAll(/^(VmHWM|RssAnon|RssFile|RssShmem):\s+(\d+)/gm)];
process.stdout.write(
  `${kinds.map(([, name, kb]) => `${name} ${((Number(kb) * 1024) / MB).toFixed(1)} MB`).join(', ')}\n`,
);
const asked = await end();
process.stdout.write(
  `${asked.sent} requests over ${CONNECTIONS} connections in ${asked.seconds.toFixed(1)} s, each a row, none lost\n`,
);
printResult(resultOf('memory', looks, { unit: 'MB', goal: 120, better: 'lower' }));
process.exit(0);
