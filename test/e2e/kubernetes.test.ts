/**
 * Who is talking, on a real cluster of two nodes with a collector each: every request of a script, as seen at both of its
 * ends. The two nodes share this machine's kernel, so that each collector's tracing sees the other node's sockets too.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RESOURCES } from '../../collector/src/control/kubernetes/cluster.ts';
import { run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Flowspan, freePorts, startFlowspan, whyNot } from '../support/flowspan.ts';
import { type Cluster, startCluster } from '../support/kubernetes/cluster.ts';
import { collectorToken } from '../support/kubernetes/collector_account.ts';
import { whyNoCluster } from '../support/kubernetes/find.ts';
import { whyNoHybrid } from '../support/kubernetes/legacy_cgroups.ts';
import type { Node } from '../support/kubernetes/node.ts';
import { type NodeCollector, startNodeCollector } from '../support/kubernetes/node_collector.ts';
import { createShop, GUARD_PORT, NAMESPACE, NODE_PORT, type Shop } from '../support/kubernetes/shop.ts';

/** Requests of each route, each on a connection of its own. */
const REQUESTS = 3;

/** One end of a row, as the view names it. */
type End = Readonly<Record<(typeof SAID)[number], string>>;
const SAID = ['kind', 'namespace', 'workload', 'workload_kind', 'name', 'node', 'container'] as const;

const ends = (end: 'source' | 'destination'): string => SAID.map((name) => `${end}_${name}`).join(', ');

function endOf(row: Readonly<Record<string, string>>, end: 'source' | 'destination'): End {
  const said = Object.fromEntries(SAID.map((name) => [name, row[`${end}_${name}`]])) as End;
  return said.kind === 'process' ? { ...said, node: '' } : said;
}

/** Sends the requests of a route, which is the first segment of their paths. */
function requests(route: string, address: string): string[] {
  const send = `curl -sf -o /dev/null -m 5 http://${address}/${route}/$i`;
  return ['sh', '-c', `i=0; while [ $i -lt ${REQUESTS} ]; do i=$((i + 1)); ${send} || exit 1; done`];
}

describe('identity on a real cluster', { skip: whyNot() ?? whyNoCluster() ?? false }, () => {
  let cluster: Cluster;
  let store: Flowspan;
  let collectors: NodeCollector[] = [];
  let shop: Shop;
  let serviceAddress: string;

  /** The script: by each route, named in the paths, the same number of requests; one to the API server. */
  async function sendAll(): Promise<void> {
    const { front, near, far, agent } = shop;
    const [node1, node2] = cluster.nodes as [Node, Node];
    const guard = `${node1.address}:${GUARD_PORT}`;
    await Promise.all([
      cluster.exec(front, requests('same-node', near.status.podIP)),
      cluster.exec(front, requests('other-node', far.status.podIP)),
      cluster.exec(front, requests('service', serviceAddress)),
      cluster.exec(front, requests('node-port', `${node2.address}:${NODE_PORT}`)),
      cluster.exec(front, requests('to-host-network', guard)),
      cluster.exec(agent, requests('host-network', far.status.podIP)),
      cluster.exec(agent, requests('one-address', guard)),
      // One process for all, which lives long enough to be looked at.
      run({ namespace: node1.namespace, cgroup: node1.host }, [
        ...['curl', '-sf', '-m', '10', '-H', 'Connection: close', '--rate', '90/m'],
        ...Array.from({ length: REQUESTS }, (_, index) => `http://${far.status.podIP}/host-process/${index + 1}`),
      ]),
      cluster.exec(front, ['curl', '-sk', '-o', '/dev/null', `https://${cluster.serviceAddress}/readyz`]),
    ]);
  }

  before(async () => {
    // The two styles that this leaves out are in kubernetes_styles.soak.ts.
    cluster = await startCluster([
      { layout: 'unified', names: 'cgroupfs' },
      { layout: whyNoHybrid() === undefined ? 'hybrid' : 'unified', names: 'systemd' },
    ]);
    const [port] = await freePorts(1);
    const env = {
      FLOWSPAN_STORE_LISTEN: `${cluster.machineAddress}:${port}`,
      FLOWSPAN_CLICKHOUSE_URL: `http://${cluster.machineAddress}:${port}`,
      FLOWSPAN_STORE_INSECURE_WITHOUT_PASSWORD: 'true',
      FLOWSPAN_STORE_WRITER_PASSWORD: 'shared by the collectors',
      FLOWSPAN_KUBERNETES_KUBECONFIG: cluster.tokenKubeconfig(await collectorToken(cluster.admin)),
    };
    [shop, store, collectors] = await Promise.all([
      createShop(cluster),
      startFlowspan({ processes: ['store'], env }),
      Promise.all(cluster.nodes.map((node) => startNodeCollector(node, env))),
    ]);
    const service = await cluster.admin.get(`/api/v1/namespaces/${NAMESPACE}/services/far`);
    serviceAddress = `${service.spec.clusterIP}:${service.spec.ports[0].port}`;
    await sendAll();
    await settled();
  });
  after(async () => {
    await Promise.all(collectors.map((each) => each.stop()));
    await store?.stop();
    await cluster?.stop();
  });

  const pod = (workload: keyof Shop, kind: string): End => ({
    kind: 'pod',
    namespace: NAMESPACE,
    workload,
    workload_kind: kind,
    name: shop[workload].metadata.name,
    node: shop[workload].spec.nodeName,
    container: `${workload}-main`,
  });
  const process = (executable: string): End => ({
    kind: 'process',
    namespace: '',
    workload: executable,
    workload_kind: '',
    name: executable,
    // Which node it lives on, both collectors say who see it; a pod's node is known from the API server.
    node: '',
    container: '',
  });

  /** Resolves when what both nodes have seen until now is stored. */
  async function settled(): Promise<void> {
    await Promise.all(collectors.map((each) => each.settled()));
  }

  /** Every row of a route names these ends, and each request has one row of each of its ends. */
  async function assertRoute(route: string, source: End, destination: End): Promise<void> {
    const rows = await store.query<Record<string, string>>(
      `SELECT http_path, observation_point, ${ends('source')}, ${ends('destination')} FROM requests_named
       WHERE http_path LIKE '/${route}/%' ORDER BY http_path, observation_point`,
    );
    const seen = rows.map((row) => ({
      at: `${row.http_path} ${row.observation_point}`,
      source: endOf(row, 'source'),
      destination: endOf(row, 'destination'),
    }));
    const wanted = Array.from({ length: REQUESTS }, (_, index) =>
      ['client', 'server'].map((point) => ({ at: `/${route}/${index + 1} ${point}`, source, destination })),
    );
    assert.deepEqual(seen, wanted.flat());
  }

  const front = (): End => pod('front', 'Deployment');
  const far = (): End => pod('far', 'Deployment');

  it('is known with no more rights than those of deploy/rbac', () => {
    for (const { kubernetes } of collectors.map((each) => each.status())) {
      assert.equal(kubernetes.synced, true);
      assert.deepEqual(kubernetes.resources?.map(({ resource }) => resource).toSorted(), [...RESOURCES].toSorted());
      const counts = new Map(kubernetes.resources?.map(({ resource, objects }) => [resource, objects]));
      assert.deepEqual([counts.get('nodes'), counts.get('pods')], [2, 5]);
    }
  });

  it('names both pods of requests within a node', () => assertRoute('same-node', front(), pod('near', 'StatefulSet')));

  it('names both pods of requests to another node', () => assertRoute('other-node', front(), far()));

  it('names both pods of requests to the address of a service', () => assertRoute('service', front(), far()));

  it('names both pods of requests to a port of a node', () => assertRoute('node-port', front(), far()));

  it("tells pods in their node's network and a process on the node apart", async () => {
    const [agent, guard] = [pod('agent', 'DaemonSet'), pod('guard', 'DaemonSet')];
    await assertRoute('host-network', agent, far());
    await assertRoute('host-process', process('curl'), far());
    await assertRoute('one-address', agent, guard);
    await assertRoute('to-host-network', front(), guard);
  });

  it('names the pod that asks the API server, and the API server', async () => {
    const rows = await store.query<Record<string, string>>(
      `SELECT DISTINCT observation_point, ${ends('source')}, ${ends('destination')} FROM flows_named
       WHERE source_address = toIPv6('${shop.front.status.podIP}') AND destination_port IN (443, 6443)
       ORDER BY observation_point`,
    );
    assert.deepEqual(
      rows.map((row) => [row.observation_point, endOf(row, 'source'), endOf(row, 'destination')]),
      ['client', 'server'].map((point) => [point, front(), process('kube-apiserver')]),
    );
  });

  it('names the pod that answered, through a rollout and a scale-down under load', async (test) => {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/far`;
    const send = `curl -s -m 2 http://${serviceAddress}/rollout/$i`;
    const load = cluster.exec(shop.front, [
      ...['sh', '-c', `i=0; until [ -e /tmp/enough ]; do i=$((i + 1)); echo "$i $(${send})"; done`],
    ]);
    const replicas = async (count: number): Promise<void> => {
      const { metadata } = await cluster.admin.get(path);
      await eventually(
        `${count} pods of far`,
        async () => {
          const { status } = await cluster.admin.get(path);
          return (
            status.observedGeneration >= (metadata.generation as number) &&
            [status.replicas, status.updatedReplicas, status.availableReplicas].every((each) => each === count)
          );
        },
        40_000,
      );
    };
    await cluster.admin.patch(path, { spec: { replicas: 3 } });
    await replicas(3);
    await cluster.admin.patch(path, { spec: { template: { metadata: { annotations: { version: '2' } } } } });
    await replicas(3);
    await cluster.admin.patch(path, { spec: { replicas: 1 } });
    await replicas(1);
    await cluster.exec(shop.front, ['sh', '-c', '>/tmp/enough']);
    // Some are answered by nobody: a pod may end before every node knows that it does.
    const lines = (await load).split('\n').map((line) => line.split(' '));
    const answered = new Map(lines.flatMap(([number = '', name = '']) => (name === '' ? [] : [[number, name]])));
    const pods = new Set(answered.values());
    test.diagnostic(`${answered.size} requests were answered by ${pods.size} pods`);
    assert.ok(pods.size >= 4, 'pods of both versions have answered');
    await settled();
    const rows = await store.query<Record<string, string>>(
      `SELECT http_path, observation_point, source_name, destination_name, destination_endpoint_id FROM requests_named
       WHERE http_path LIKE '/rollout/%'`,
    );
    const seen = new Map(rows.map((row) => [`${row.http_path} ${row.observation_point}`, row]));
    const ofAnswered = [...answered].flatMap(([number, name]) =>
      ['client', 'server'].map((point) => ({ name, point, number, row: seen.get(`/rollout/${number} ${point}`) })),
    );
    // A pod that answers before the API server's news of it have come is not known yet: better than known wrongly.
    const unknown = ofAnswered.filter(({ row }) => row?.destination_name === '');
    test.diagnostic(`${unknown.length} of ${ofAnswered.length} rows do not know yet which pod answered`);
    const wrong = ofAnswered.filter(
      ({ name, row }) =>
        row?.source_name !== shop.front.metadata.name || !['', name].includes(row.destination_name as string),
    );
    assert.deepEqual(wrong, []);
  });
});
