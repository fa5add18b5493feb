/** The demo's shop with several faults at once, watched and scraped: what the dashboards' queries are run on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ruleFiles } from '../../../dashboards/src/rules/render.ts';
import { TIME_FACTOR } from '../../../deploy/demo/alerts.ts';
import { chosenFaults } from '../../../deploy/demo/faults.ts';
import { type Flowspan, startFlowspan } from '../../../deploy/demo/flowspan.ts';
import { lockShop } from '../../../deploy/demo/lock.ts';
import { buildShop, openShop } from '../../../deploy/demo/shop.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { start } from '../../../deploy/lab/program.ts';
import { type Prometheus, type ScrapeConfig, startPrometheus } from '../../../deploy/lab/prometheus.ts';
import { PATIENCE } from '../../support/flowspan.ts';

/** Errors and loss on one edge, refused connects, aborts, a full accept queue. */
const FAULTS = 'both,connection_refused,client_abort,accept_queue_overflow';
const BROKEN_MS = 12_000;
export const SCRAPE_S = 1;

/** What the queries are asked of, and for which time. */
export interface BrokenShop {
  readonly flowspan: Flowspan;
  readonly prometheus: Prometheus;
  /** Unix seconds. */
  readonly from: number;
  readonly to: number;
  end(): Promise<void>;
}

function scrape(job: string, url: string, more: object = {}): ScrapeConfig {
  return { job_name: job, static_configs: [{ targets: [new URL(url).host] }], ...more };
}

function rules(): string[] {
  const folder = join(temporaryFolder(), 'rules');
  mkdirSync(folder);
  return [...ruleFiles({ timeFactor: TIME_FACTOR })].map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  });
}

/** Starts it, lets it be broken for a while, and resolves when all that happened is stored and scraped. */
export async function breakShop(): Promise<BrokenShop> {
  // first of all: a Flowspan that starts earlier hears of another shop
  const lock = await lockShop();
  const network = buildShop();
  const flowspan = await startFlowspan(network.slice, PATIENCE);
  const prometheus = await startPrometheus({
    scrape: [
      scrape('flowspan-collector', flowspan.collectorUrl),
      scrape('flowspan-query-api', flowspan.queryApiUrl),
      scrape('flowspan-store', flowspan.storeUrl),
      scrape('flowspan-bpf', flowspan.collectorUrl, { metrics_path: '/metrics/bpf' }),
    ],
    ruleFiles: rules(),
    scrapeIntervalMs: SCRAPE_S * 1000,
  });
  const shop = await openShop(network, lock);
  const from = Date.now() / 1000;
  const datagrams = start(shop.hosts.mobile, [
    'bash',
    '-c',
    `while :; do echo ping > /dev/udp/${shop.hosts.redis.address}/9; sleep 0.2; done`,
  ]);
  await prometheus.up();
  const mends = await Promise.all(chosenFaults(FAULTS).map(({ inject }) => inject(shop)));
  // somebody asks the query API meanwhile
  for (const end = Date.now() + BROKEN_MS; Date.now() < end; await sleep(SCRAPE_S * 1000)) {
    const answer = await fetch(`${flowspan.queryApiUrl}/v1/edges?since=1m`, { signal: AbortSignal.timeout(30_000) });
    if (!answer.ok) throw new Error(`/v1/edges: ${await answer.text()}`);
  }
  for (const mend of mends) await mend();
  await flowspan.settled();
  await sleep(2 * SCRAPE_S * 1000);
  const to = Date.now() / 1000;
  return {
    flowspan,
    prometheus,
    from,
    to,
    end: async () => {
      await datagrams.stop();
      await Promise.all([shop.stop(), prometheus.stop()]);
      await flowspan.stop();
      network.remove();
    },
  };
}
