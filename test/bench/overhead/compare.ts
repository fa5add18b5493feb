/** What a saturated server serves with Flowspan, divided by what it serves without. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Flowspan } from '../../support/flowspan.ts';
import { cpuSince, cpuTime } from '../kit/cpu.ts';
import { interleave } from '../kit/pairs.ts';
import { median } from '../kit/result.ts';
import { type OwnCpu, startSwitch } from './observed.ts';
import type { Check } from './rows.ts';
import type { Room, Site } from './site.ts';

/** How long each half of a pair lasts. */
export const SECONDS = Number(process.env.SECONDS ?? 2);

/** What a client saw of its server. */
export interface Served {
  /** Requests, connections: what the bench counts. */
  readonly count: number;
  readonly perSecond: number;
}

/** One kind of traffic at one site. */
export interface Service {
  readonly name: string;
  readonly site: Site;
  /** Puts the server under load for about SECONDS. @param label differs from call to call: part of what rows show */
  load(label: string): Promise<Served>;
  /** What the store must hold of one run. */
  rows(query: Flowspan['query'], run: Run): Promise<Check[]>;
  /** Ends the server and leaves its site. */
  stop(): Promise<void>;
}

/** One call of `load` that was observed. */
export interface Run extends Served {
  readonly label: string;
  /** When it began, milliseconds since the epoch. */
  readonly fromMs: number;
}

interface Half extends Run {
  /** Processor time of the observed end or ends per count, microseconds. */
  readonly us: number;
  /** Share of the budget that was used; without one, of a core. */
  readonly used: number;
  /** Cores that the client used, where it has no part in the budget. */
  readonly client: number;
}

interface Observed {
  readonly halves: Half[];
  readonly cpu: OwnCpu;
  /** What was found in the store, by service. */
  readonly stored: readonly string[];
}

/** A loss that is counted and told, once in some ten thousand connections: a program that interrupted itself. Rows are checked. */
const SKIPPED = 'program_skipped';

const ROWS_TRIES = 10;
const ROWS_PAUSE_MS = 500;

/** Below this the server was not what was saturated. */
const LEAST_USED = 0.93;

let runs = 0;
function nextLabel(): string {
  runs += 1;
  return `run${runs}`;
}

async function half(service: Service, label: string): Promise<Half> {
  const { site } = service;
  const fromMs = Date.now();
  const before = { server: cpuTime(site.server.cgroup), client: cpuTime(site.client.cgroup), ms: performance.now() };
  const served = await service.load(label);
  const server = cpuSince(site.server.cgroup, before.server).total;
  const client = cpuSince(site.client.cgroup, before.client).total;
  const elapsedUs = (served.count / served.perSecond) * 1e6;
  const observed = server + (site.ends === 2 ? client : 0);
  return {
    ...served,
    label,
    fromMs,
    us: observed / served.count,
    used: observed / elapsedUs / (site.share ?? 1),
    client: client / elapsedUs,
  };
}

function fail(what: string, cause: string, next: string): never {
  process.stderr.write(`FLOW_BENCH_${what}: ${cause}; ${next}\n`);
  process.exit(1);
}

/** Waits for the rows that a run must have made: connections may end a little after their client. */
async function checkRows(service: Service, query: Flowspan['query'], run: Run): Promise<string> {
  let wrong: Check | undefined;
  for (let tries = 0; tries < ROWS_TRIES; tries += 1) {
    const checks = await service.rows(query, run);
    wrong = checks.find(({ found, least, most }) => found < least || found > most);
    if (wrong === undefined)
      return checks.map(({ what, found, least, most }) => `${what} ${found} of ${least} to ${most}`).join(', ');
    await sleep(ROWS_PAUSE_MS);
  }
  const { what, found, least, most } = wrong as Check;
  fail(
    'ROWS',
    `${service.name}: ${what} in the store: ${found}, not ${least} to ${most}`,
    'see what the collector logs',
  );
}

/** Ratios of one service, one per pair. */
export interface Compared {
  readonly ratios: number[];
  /** Without divided by without, of neighbouring pairs: what the machine's noise alone makes of a ratio. */
  readonly noise: number[];
}

/**
 * Measures pairs of all services, and prints each. Every service's rows are counted.
 * @param env of the collector
 */
export async function compare<const Services extends readonly Service[]>(
  room: Room,
  services: Services,
  env: Readonly<Record<string, string>> = {},
): Promise<{ [Index in keyof Services]: Compared }> {
  const flowspan = await startSwitch(room, env);
  const each = async (label: string): Promise<Half[]> => {
    const halves: Half[] = [];
    for (const service of services) halves.push(await half(service, label));
    return halves;
  };
  const without = (): Promise<Half[]> => each(nextLabel());
  const observed = async (): Promise<Observed> => {
    const label = nextLabel();
    const stored: string[] = [];
    const { result, cpu, lost } = await flowspan.observing(
      () => each(label),
      async (halves) => {
        for (const [index, service] of services.entries()) {
          stored.push(await checkRows(service, flowspan.query, halves[index] as Half));
        }
      },
    );
    const unexpected = lost.filter((line) => !line.includes(SKIPPED));
    if (unexpected.length > 0) fail('LOST', unexpected.join(', '), 'give the machine to the bench alone');
    return { halves: result, cpu, stored };
  };
  await without();
  const pairs = await interleave({ without, with: observed }, (pair) => {
    const lines = services.map(({ name, site }, index) => {
      const [off, on] = [pair.without[index] as Half, pair.with.halves[index] as Half];
      return (
        `${name} ${off.perSecond.toFixed(0)} -> ${on.perSecond.toFixed(0)}/s, ratio ${(on.perSecond / off.perSecond).toFixed(4)}, ` +
        `CPU ${off.us.toFixed(2)} -> ${on.us.toFixed(2)} us each (ratio ${(off.us / on.us).toFixed(4)}), ` +
        `budget used ${off.used.toFixed(3)} ${on.used.toFixed(3)}${site.ends === 1 ? `, client ${off.client.toFixed(2)} ${on.client.toFixed(2)} cores` : ''}`
      );
    });
    const { collector, store } = pair.with.cpu;
    return `${lines.join('\n  ')}\n  collector ${collector.toFixed(2)}, store ${store.toFixed(2)} cores; stored: ${pair.with.stored.join('; ')}`;
  });
  await flowspan.close();
  const compared = services.map(({ name, site }, index): Compared => {
    const off = pairs.map((pair) => pair.without[index] as Half);
    const on = pairs.map((pair) => pair.with.halves[index] as Half);
    const used = median([...off, ...on].map((one) => one.used));
    if (site.share !== undefined && used < LEAST_USED) {
      fail('UNSATURATED', `${name} used ${used.toFixed(2)} of its budget`, 'a quieter machine, or a smaller budget');
    }
    const noise = off.slice(1).map((one, at) => one.perSecond / (off[at] as Half).perSecond);
    return { ratios: on.map((one, at) => one.perSecond / (off[at] as Half).perSecond), noise };
  });
  return compared as unknown as { [Index in keyof Services]: Compared };
}
