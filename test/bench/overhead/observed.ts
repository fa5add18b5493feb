/** Flowspan as a user runs it, switched on and off: the store runs all the time, the collector while it observes. */
import { createCgroup } from '../../../deploy/lab/cgroup.ts';
import { type Flowspan, startFlowspan } from '../../support/flowspan.ts';
import { AS_A_NODE } from '../kit/as_a_node.ts';
import { cpuSince, cpuTime, settle } from '../kit/cpu.ts';
import type { Room } from './site.ts';

/** Cores in use by Flowspan's processes, from their cgroups. */
export interface OwnCpu {
  readonly collector: number;
  readonly store: number;
}

/** The store, and a collector on demand. */
export interface Switch {
  /** Runs `work` with a collector that observes, and, when all that was recorded until then is stored, `check`. */
  observing<T>(
    work: () => Promise<T>,
    check: (result: T) => Promise<void>,
  ): Promise<{ result: T; cpu: OwnCpu; lost: string[] }>;
  query: Flowspan['query'];
  close(): Promise<void>;
}

/**
 * Starts the store.
 * @param env further FLOWSPAN_* variables of the collector
 */
export async function startSwitch(
  { watched, setAside }: Room,
  env: Readonly<Record<string, string>> = {},
): Promise<Switch> {
  const [storeCgroup, collectorCgroup] = [createCgroup(), createCgroup()];
  const store = await startFlowspan({ processes: ['store'] });
  settle(store.pid('store'), { cgroup: storeCgroup });
  setAside(store.pid('store'));
  const shared = { FLOWSPAN_DATA_DIR: store.dataDir, FLOWSPAN_CLICKHOUSE_URL: store.storeUrl };
  return {
    query: store.query,
    async observing(work, check) {
      const own = { ...shared, ...AS_A_NODE, ...env };
      const collector = await startFlowspan({ processes: ['collector'], cgroup: watched, env: own });
      try {
        settle(collector.pid('collector'), { cgroup: collectorCgroup });
        setAside(collector.pid('collector'));
        const before = { collector: cpuTime(collectorCgroup), store: cpuTime(storeCgroup), ms: performance.now() };
        const result = await work();
        const elapsedUs = (performance.now() - before.ms) * 1000;
        const cpu = {
          collector: cpuSince(collectorCgroup, before.collector).total / elapsedUs,
          store: cpuSince(storeCgroup, before.store).total / elapsedUs,
        };
        await collector.settled();
        await check(result);
        return { result, cpu, lost: await collector.losses() };
      } finally {
        await collector.stop();
      }
    },
    async close() {
      await store.stop();
      for (const cgroup of [storeCgroup, collectorCgroup]) cgroup.remove();
    },
  };
}
