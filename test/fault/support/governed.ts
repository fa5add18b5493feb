/** A Flowspan with a small budget that watches servers in a cgroup of their own; clients are not watched. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../../deploy/lab/namespace.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { startFlowspan } from '../../support/flowspan.ts';
import { readOpenMetrics } from '../../support/metrics.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';

/** What GET /status says, as far as these tests read it. */
export interface GovernedStatus {
  readonly governor: {
    readonly level: number;
    readonly records_level: number;
    readonly pressure: number;
    readonly scarcest: string;
    readonly throttled_cgroups: readonly { readonly cgroup: string; readonly request_weight: number }[];
  };
  readonly counters: Readonly<Record<'flow' | 'tcp_event' | 'request', Readonly<Record<string, number>>>>;
}

const RECOVERS_WITHIN_MS = 120_000;

/** Percent of a core: a collector that does nothing takes more. So it is over its budget on any machine, at any load. */
const CPU_PERCENT = 1;

/** @param names cgroups below the watched one, each with an nginx on a port of its own */
export async function createGoverned(names: readonly string[]) {
  const watched = createCgroup();
  const unwatched = createCgroup();
  const [clientSide, serverSide] = [createNamespace(), createNamespace()];
  const { ipv4 } = connect(clientSide, serverSide).b;
  const flowspan = await startFlowspan({
    cgroup: watched,
    processes: ['store', 'collector', 'query-api'],
    env: {
      FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
      FLOWSPAN_COLLECTOR_GOVERNOR_ENABLED: 'true',
      FLOWSPAN_COLLECTOR_GOVERNOR_CPU_PERCENT: String(CPU_PERCENT),
      FLOWSPAN_COLLECTOR_GOVERNOR_SLOW_MS: '60000',
    },
  });
  const servers: { cgroup: Cgroup; nginx: Nginx; url: string }[] = [];
  for (const [index, name] of names.entries()) {
    const cgroup = createCgroup(watched.path, name);
    const nginx = await startNginx({ namespace: serverSide, cgroup }, { port: 8081 + index, workers: 1 });
    servers.push({ cgroup, nginx, url: `http://${ipv4}:${8081 + index}` });
  }
  const status = async (): Promise<GovernedStatus> =>
    (await (await fetch(`${flowspan.collectorUrl}/status`)).json()) as GovernedStatus;
  return {
    flowspan,
    client: { namespace: clientSide, cgroup: unwatched },
    servers,
    status,
    /** Resolves when all detail is there again, by itself. */
    recovered: () =>
      eventually(
        'all detail again',
        async () => {
          // Each look costs the collector a part of its small budget.
          await pause(500);
          const { governor } = await status();
          return governor.level + governor.records_level === 0 && governor.throttled_cgroups.length === 0;
        },
        RECOVERS_WITHIN_MS,
      ),
    /** Sum of a counter over the collector's series. */
    async counter(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
      const headers = { accept: 'application/openmetrics-text' };
      const text = await (await fetch(`${flowspan.collectorUrl}/metrics`, { headers })).text();
      const family = readOpenMetrics(text).find((one) => one.name === name);
      const lines = (family?.lines ?? []).filter((line) =>
        Object.entries(labels).every(([label, value]) => line.labels[label] === value),
      );
      return lines.reduce((sum, { value }) => sum + Number(value), 0);
    },
    /** Follows /status until `done` is settled. @returns the highest level seen, and the throttled cgroups seen */
    async follow(done: Promise<unknown>): Promise<{ level: number; throttled: Set<string> }> {
      let running = true;
      const ended = done.finally(() => {
        running = false;
      });
      const throttled = new Set<string>();
      let level = 0;
      while (running) {
        const { governor } = await status();
        level = Math.max(level, governor.level);
        for (const { cgroup } of governor.throttled_cgroups) throttled.add(cgroup);
        await Promise.race([ended, pause(250)]);
      }
      await ended;
      return { level, throttled };
    },
    async end(): Promise<void> {
      for (const { nginx } of servers) await nginx.stop();
      await flowspan.stop();
      for (const { cgroup } of servers) cgroup.remove();
      for (const one of [watched, unwatched, clientSide, serverSide]) one.remove();
    },
  };
}

/** What rows of requests add up to: how many they stand for, and by how much chance may have it differ. */
export const WEIGHED = `toString(count()) AS kept, toString(sum(sample_weight)) AS requests,
  toString(max(sample_weight)) AS heaviest, toString(sum(sample_weight * (sample_weight - 1))) AS variance`;
