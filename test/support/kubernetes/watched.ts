/** A cluster with the shop in it and collectors on its nodes, all of whose rows are in one store. */
import { openClient } from '../../../collector/src/deliver/clickhouse.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { migrate } from '../../../store/migrate.ts';
import { type Flowspan, freePorts, startFlowspan } from '../flowspan.ts';
import { type Cluster, type NodeStyle, startCluster } from './cluster.ts';
import { collectorToken } from './collector_account.ts';
import { type NodeCollector, startNodeCollector } from './node_collector.ts';
import { EXCHANGE_SQL, type Route, routesOf, TOLD_SQL, type Told, told } from './routes.ts';
import { createShop, type Shop } from './shop.ts';

/**
 * What collectors see, and what their rows have in the column `cluster`: every socket of the machine, as both nodes share
 * its kernel; or those of their node alone (`collector.cgroup_root_only`), as on machines of their own.
 */
export type Sight = 'machine' | 'node';

const TIMEOUT_MS = 60_000;

export interface Watched {
  readonly cluster: Cluster;
  readonly shop: Shop;
  readonly routes: readonly Route[];
  readonly store: Flowspan;
  readonly collectors: readonly NodeCollector[];
  /** Resolves when what all of them have seen until now is stored. */
  settled(): Promise<void>;
  /** All requests that are stored. */
  requests(sight: Sight): Promise<Told[]>;
  /** Rows of `flows_named`. @param condition SQL */
  flows(sight: Sight, condition: string): Promise<Told[]>;
  stop(): Promise<void>;
}

/** Starts all of it, with a collector of each sight on each node. */
export async function startWatched(styles: readonly NodeStyle[], sights: readonly Sight[]): Promise<Watched> {
  const cluster = await startCluster(styles);
  const starting: Promise<{ stop(): Promise<unknown> }>[] = [];
  const noted = <T extends { stop(): Promise<unknown> }>(started: Promise<T>): Promise<T> => {
    starting.push(started);
    return started;
  };
  const stop = async (): Promise<void> => {
    const started = await Promise.allSettled(starting.toReversed());
    await Promise.all(started.map((each) => (each.status === 'fulfilled' ? each.value.stop() : undefined)));
    await cluster.stop();
  };
  try {
    const [port] = await freePorts(1);
    const url = `http://${cluster.machineAddress}:${port}`;
    const password = 'shared by the collectors';
    const env = {
      FLOWSPAN_STORE_LISTEN: `${cluster.machineAddress}:${port}`,
      FLOWSPAN_CLICKHOUSE_URL: url,
      FLOWSPAN_STORE_INSECURE_WITHOUT_PASSWORD: 'true',
      FLOWSPAN_STORE_WRITER_PASSWORD: password,
      FLOWSPAN_KUBERNETES_KUBECONFIG: cluster.tokenKubeconfig(await collectorToken(cluster.admin)),
    };
    const envOf = (sight: Sight): Record<string, string> => ({
      ...env,
      FLOWSPAN_CLUSTER: sight,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: String(sight === 'node'),
    });
    const watch = async (): Promise<readonly [Flowspan, readonly NodeCollector[]]> => {
      const store = await noted(startFlowspan({ processes: ['store'], env }));
      // Each of them would do it, all at once.
      const client = openClient(url, { username: 'collector', password });
      await migrate(client, 'flowspan').finally(() => client.close());
      const starts = cluster.nodes.flatMap((node) =>
        sights.map((sight, index) => noted(startNodeCollector(node, envOf(sight), 7471 + 10 * index))),
      );
      return [store, await Promise.all(starts)];
    };
    const [shop, [store, collectors]] = await Promise.all([createShop(cluster), watch()]);
    await eventually(
      'the API server to have told all',
      () => collectors.every((each) => each.status().kubernetes.synced),
      TIMEOUT_MS,
    );
    const select = async (view: string, sight: Sight, condition: string): Promise<Told[]> =>
      (await store.query<Record<string, string>>(`${view} WHERE cluster = '${sight}' AND ${condition}`)).map(told);
    return {
      cluster,
      shop,
      routes: await routesOf(cluster, shop),
      store,
      collectors,
      settled: async () => {
        await Promise.all(collectors.map((each) => each.settled()));
      },
      requests: (sight) =>
        select(`SELECT http_path, ${EXCHANGE_SQL}, ${TOLD_SQL} FROM requests_named`, sight, "http_path != '/ready'"),
      flows: (sight, condition) => select(`SELECT ${TOLD_SQL} FROM flows_named`, sight, condition),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
