/**
 * Two played nodes with a whole collector each, which reach a real API server through a proxy only: three pods that stay
 * and one address that is handed on. The test itself reaches the server past the proxy.
 */
import assert from 'node:assert/strict';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, temporaryFolder } from '../flowspan.ts';
import { TcpProxy } from '../tcp_proxy.ts';
import type { KubernetesApi } from './api.ts';
import { type Audit, auditOf } from './audit.ts';
import { COLLECTOR_USER, collectorToken } from './collector_account.ts';
import { type ControlPlane, startControlPlane } from './control_plane.ts';
import { writeKubeconfig } from './keys.ts';
import { PLAYED_NAMESPACE, type PlayedNode, type PlayedPod, type PlayedPods, playPods } from './played_pods.ts';

const MOVING = '10.88.2.9';

/** The parts; every method waits until it is done. */
export interface AwayScene {
  readonly plane: ControlPlane;
  readonly proxy: TcpProxy;
  /** What the collectors have asked, and a client with their rights. */
  readonly audit: Audit;
  readonly account: KubernetesApi;
  readonly store: Flowspan;
  readonly collectors: readonly Flowspan[];
  /** Names of the pods that stay. */
  readonly staying: readonly string[];
  /** @param silenceS longest silence of the server that the collectors take, seconds; default: theirs */
  startCollectors(silenceS?: number): Promise<void>;
  stopCollectors(): Promise<void>;
  /** Hands the address on to a new pod of that name, which the API server knows. */
  move(name: string): Promise<void>;
  /** Every pod asks every other one once; the paths are `/<label>/<client>/<server>`. */
  ask(label: string): Promise<void>;
  /** A family flowspan_kubernetes_<name> of each collector, by resource. */
  metric(name: string): Promise<ReadonlyMap<string, number>[]>;
  /** When each collector has heard of pods last, milliseconds since the epoch, as its metric tells. */
  heardMs(): Promise<number[]>;
  /** Has something happen until every collector has heard of it. */
  news(what: string, timeoutMs: number): Promise<void>;
  end(): Promise<void>;
}

export async function createAwayScene(): Promise<AwayScene> {
  const audit = auditOf(COLLECTOR_USER, temporaryFolder());
  const plane = await startControlPlane({ apiServer: audit.words });
  const { admin, keys } = plane;
  const proxy = await TcpProxy.start(Number(new URL(plane.url).port));
  const token = await collectorToken(admin);
  const kubeconfig = keys.file('through-proxy.kubeconfig');
  writeKubeconfig(kubeconfig, `https://127.0.0.1:${proxy.port}`, keys.file('authority.crt'), { token });
  const account = plane.withToken(token);
  const password = { FLOWSPAN_STORE_WRITER_PASSWORD: 'shared' };
  const store = await startFlowspan({ processes: ['store'], env: password });
  const pods: PlayedPods = await playPods(admin);
  const nodes: readonly [PlayedNode, PlayedNode] = [await pods.createNode('node1'), await pods.createNode('node2')];
  const staying = [
    await pods.createPod(nodes[0], 'front', { address: '10.88.1.1' }),
    await pods.createPod(nodes[0], 'near', { address: '10.88.1.2' }),
    await pods.createPod(nodes[1], 'far', { address: '10.88.2.1' }),
  ];
  let moving: PlayedPod | undefined;
  let touches = 0;
  const collectors: Flowspan[] = [];
  const scene: AwayScene = {
    ...{ plane, proxy, audit, account, store, collectors },
    staying: staying.map(({ name }) => name),
    startCollectors: async (silenceS) => {
      const env = {
        ...password,
        FLOWSPAN_CLICKHOUSE_URL: store.storeUrl,
        FLOWSPAN_KUBERNETES_KUBECONFIG: kubeconfig,
        // Else each would see the other node's sockets, and need no address to know whose they are.
        FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
        ...(silenceS === undefined ? {} : { FLOWSPAN_KUBERNETES_WATCH_SILENCE_S: String(silenceS) }),
      };
      const each = nodes.map(({ name, cgroup }) =>
        startFlowspan({ processes: ['collector'], cgroup, env: { ...env, FLOWSPAN_NODE: name } }),
      );
      collectors.push(...(await Promise.all(each)));
    },
    stopCollectors: async () => {
      await Promise.all(collectors.splice(0).map((each) => each.stop()));
    },
    move: async (name) => {
      const before = moving;
      moving = undefined;
      await before?.end();
      moving = await pods.createPod(nodes[1], name, { address: MOVING });
    },
    ask: async (label) => {
      const all = moving === undefined ? staying : [...staying, moving];
      const asked = all.map(async (client) => {
        const servers = all.filter((each) => each !== client);
        const urls = servers.map(({ name, address }) => `http://${address}/${label}/${client.name}/${name}`);
        const answered = await client.ask(...urls);
        assert.deepEqual(
          answered,
          servers.map(({ name }) => name),
        );
      });
      await Promise.all(asked);
    },
    metric: (name) =>
      Promise.all(
        collectors.map(async ({ collectorUrl }) => {
          const text = await (await fetch(`${collectorUrl}/metrics`)).text();
          const line = new RegExp(`^flowspan_kubernetes_${name}\\{resource="([a-z]+)"\\} (\\S+)$`, 'gm');
          return new Map([...text.matchAll(line)].map(([, resource = '', value]) => [resource, Number(value)]));
        }),
      ),
    heardMs: async () =>
      (await scene.metric('last_event_timestamp_seconds')).map((times) => (times.get('pods') ?? 0) * 1000),
    news: async (what, timeoutMs) => {
      const sinceMs = Date.now();
      const isHeard = async (): Promise<boolean> => {
        touches += 1;
        const annotations = { touches: String(touches) };
        await admin.patch(`/api/v1/namespaces/${PLAYED_NAMESPACE}/pods/far`, { metadata: { annotations } });
        return (await scene.heardMs()).every((ms) => ms > sinceMs);
      };
      await eventually(what, isHeard, timeoutMs);
    },
    end: async () => {
      await scene.stopCollectors();
      await store.stop();
      await proxy.stop();
      pods.end();
      account.close();
      await plane.stop();
    },
  };
  return scene;
}
