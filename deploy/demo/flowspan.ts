/** The demo's own Flowspan: `flowspan up` on free ports, watching the shop's hosts and nothing else. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ownEnvironment } from '../lab/own_environment.ts';
import { startUp } from '../lab/up.ts';
import { eventually } from '../lab/wait.ts';

/** A running Flowspan. */
export interface Flowspan {
  readonly queryApiUrl: string;
  readonly collectorUrl: string;
  readonly storeUrl: string;
  /** Resolves when every record that the kernel has written until now is stored, or counted as lost. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Connections get a row as often, so that a short fault shows. */
const FLOW_INTERVAL_S = 1;
const SETTLE_TIMEOUT_MS = 30_000;

interface KindCounters {
  readonly wanted: number;
  readonly stored: number;
  readonly aggregated: number;
  readonly shed: number;
  readonly discarded: number;
  readonly lost: number;
}

/**
 * Starts store, collector and query API; resolves when all are ready.
 * @param cgroup directory of what is watched
 * @param more further FLOWSPAN_* variables
 */
export async function startFlowspan(cgroup: string, more: Readonly<Record<string, string>> = {}): Promise<Flowspan> {
  // What is set for a Flowspan of this machine is not for the demo's.
  for (const name of Object.keys(process.env)) if (name.startsWith('FLOWSPAN_')) delete process.env[name];
  const { FLOWSPAN_CLICKHOUSE_URL: storeUrl = '', ...env } = await ownEnvironment();
  const up = await startUp({
    ...env,
    FLOWSPAN_CLUSTER: 'demo',
    FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup,
    FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: String(FLOW_INTERVAL_S),
    ...more,
  });
  const collectorUrl = `http://${env.FLOWSPAN_COLLECTOR_LISTEN}`;
  const counters = async (): Promise<KindCounters[]> => {
    const response = await fetch(`${collectorUrl}/status`, { signal: AbortSignal.timeout(5_000) });
    const status = (await response.json()) as { counters: Record<string, KindCounters> };
    return ['flow', 'tcp_event', 'request'].map((kind) => status.counters[kind] as KindCounters);
  };
  return {
    queryApiUrl: `http://${env.FLOWSPAN_QUERY_API_LISTEN}`,
    collectorUrl,
    storeUrl,
    settled: async () => {
      // Connections tell what happened to them at the end of their interval.
      await sleep(FLOW_INTERVAL_S * 1000 + 200);
      const wanted = await counters();
      await eventually(
        'what was recorded to be stored',
        async () => {
          const now = await counters();
          return now.every(
            ({ stored, aggregated, shed, discarded, lost }, kind) =>
              stored + aggregated + shed + discarded + lost >= (wanted[kind] as KindCounters).wanted,
          );
        },
        SETTLE_TIMEOUT_MS,
      );
    },
    stop: () => up.program.stop('SIGINT'),
  };
}
