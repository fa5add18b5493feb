/** Everything the demo needs, running: the shop, a Flowspan that watches it, a Prometheus with the rules. */
import { setPriority } from 'node:os';
import { type Alerts, startAlerts } from './alerts.ts';
import { type Flowspan, startFlowspan } from './flowspan.ts';
import { lockShop } from './lock.ts';
import { buildShop, openShop, type Shop } from './shop.ts';

/** What else runs on this machine goes behind the shop: else the shop is slow, and Flowspan says so. */
const NICENESS = -10;

/** A running demo. */
export interface Scene {
  readonly shop: Shop;
  readonly flowspan: Flowspan;
  readonly alerts: Alerts;
  /** Stops and removes everything. What is left after a crash is removed by the next run, see ../lab/registry.ts. */
  end(): Promise<void>;
}

/**
 * Starts everything; resolves when customers have come and Prometheus has scraped the collector.
 * @param tell gets a line if another shop has to close first
 */
export async function startScene(tell: (line: string) => void = () => {}): Promise<Scene> {
  // First of all: a Flowspan that starts earlier hears of the other shop.
  const lock = await lockShop(tell);
  setPriority(NICENESS);
  const network = buildShop();
  // Flowspan first: it then sees every connection from its begin.
  const flowspan = await startFlowspan(network.slice);
  const [shop, alerts] = await Promise.all([openShop(network, lock), startAlerts(flowspan)]);
  await alerts.calm();
  return {
    shop,
    flowspan,
    alerts,
    end: async () => {
      await Promise.all([shop.stop(), alerts.stop()]);
      await flowspan.stop();
      network.remove();
    },
  };
}
