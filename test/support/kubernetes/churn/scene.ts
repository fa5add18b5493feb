/** The scene of the churn: a control plane, two nodes with a collector each, one store, a network of pods, an outsider. */
import { type Flowspan, startFlowspan } from '../../flowspan.ts';
import { type ControlPlane, startControlPlane } from '../control_plane.ts';
import { NAMESPACE } from './churn.ts';
import { createPodNetwork, type PodPlace } from './network.ts';
import { askFromOutside, type ChurnNode, createChurnNode, startPodHost } from './node.ts';

/** Of the account that writes: the collectors share it. */
export const WRITER_PASSWORD = 'shared by the collectors';

export interface ChurnScene {
  readonly plane: ControlPlane;
  readonly nodes: readonly ChurnNode[];
  /** Where pods are, one after the other. */
  readonly places: readonly PodPlace[];
  /** The store, with the collector of the first node. */
  readonly store: Flowspan;
  /** By node. */
  readonly collectors: readonly Flowspan[];
  /** Ends all traffic. */
  quiet(): Promise<void>;
  end(): Promise<void>;
}

/** @param places pods at a time */
export async function createChurnScene(places: number): Promise<ChurnScene> {
  const plane = await startControlPlane();
  const host = startPodHost();
  const nodes = ['node-a', 'node-b'].map((name) => createChurnNode(name, host));
  const network = createPodNetwork(places + 1);
  const stops: (() => Promise<void> | void)[] = [
    () => plane.stop(),
    () => network.remove(),
    () => host.stop('SIGKILL'),
  ];
  const end = async () => {
    for (const stop of stops.toReversed()) await stop();
    for (const node of nodes) node.root.remove();
  };
  try {
    await plane.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    for (const { name } of nodes) await plane.admin.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    const env = { FLOWSPAN_STORE_WRITER_PASSWORD: WRITER_PASSWORD, FLOWSPAN_KUBERNETES_KUBECONFIG: plane.kubeconfig };
    const store = await startFlowspan({ processes: ['store'], env });
    stops.push(() => store.stop());
    const collectors = await Promise.all(
      nodes.map(({ name, root }) =>
        startFlowspan({
          processes: ['collector'],
          cgroup: root,
          env: {
            ...env,
            FLOWSPAN_CLICKHOUSE_URL: store.storeUrl,
            FLOWSPAN_NODE: name,
            FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
          },
        }),
      ),
    );
    for (const each of collectors) stops.push(() => each.stop());
    const [outside, ...places] = network.places as readonly [PodPlace, ...PodPlace[]];
    askFromOutside(host, outside, places);
    return { plane, nodes, places, store, collectors, quiet: () => host.stop('SIGKILL'), end };
  } catch (error) {
    await end();
    throw error;
  }
}
