/**
 * Who is talking, on a real cluster of two nodes: every request of a script, as seen at both of its ends. The two nodes
 * share this machine's kernel; their collectors see their own node's sockets alone all the same, and know as much as on two
 * machines. What they know when they see the other node's sockets too is in kubernetes_sights.soak.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RESOURCES } from '../../collector/src/control/kubernetes/cluster.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import type { Cluster } from '../support/kubernetes/cluster.ts';
import { whyNoCluster } from '../support/kubernetes/find.ts';
import { whyNoHybrid } from '../support/kubernetes/legacy_cgroups.ts';
import { assertRouteApart, podEnd, processEnd, type Route, type Told } from '../support/kubernetes/routes.ts';
import { NAMESPACE } from '../support/kubernetes/shop.ts';
import { startWatched, type Watched } from '../support/kubernetes/watched.ts';

describe('identity on a real cluster', { skip: whyNot() ?? whyNoCluster() ?? false }, () => {
  let watched: Watched;
  let cluster: Cluster;
  let routes: readonly Route[];

  before(async () => {
    watched = await startWatched(
      [
        { layout: 'unified', names: 'cgroupfs' },
        { layout: whyNoHybrid() === undefined ? 'hybrid' : 'unified', names: 'systemd' },
      ],
      ['node'],
    );
    ({ cluster, routes } = watched);
    const askApiServer = ['curl', '-sk', '-o', '/dev/null', `https://${cluster.serviceAddress}/readyz`];
    await Promise.all([...routes.map((route) => route.send()), cluster.exec(watched.shop.front, askApiServer)]);
    await watched.settled();
  });
  after(() => watched?.stop());

  it('is known with no more rights than those of deploy/rbac', () => {
    for (const { kubernetes } of watched.collectors.map((each) => each.status())) {
      assert.equal(kubernetes.synced, true);
      assert.deepEqual(kubernetes.resources?.map(({ resource }) => resource).toSorted(), [...RESOURCES].toSorted());
      const counts = new Map(kubernetes.resources?.map(({ resource, objects }) => [resource, objects]));
      assert.deepEqual([counts.get('nodes'), counts.get('pods')], [2, 5]);
    }
  });

  it('names both ends, service and backend of every request', async () => {
    const rows = await watched.requests('node');
    for (const route of routes) assertRouteApart(route, rows);
  });

  it('names the pod that asks the API server, and the API server behind its service', async () => {
    const rows = await watched.flows(
      'node',
      `source_address = toIPv6('${watched.shop.front.status.podIP}') AND destination_port IN (443, 6443)`,
    );
    assert.deepEqual([...new Set(rows.map(({ point }) => point))].toSorted(), ['client', 'server']);
    for (const { source, destination, service, backend } of rows) {
      assert.deepEqual([source, destination], [podEnd(watched.shop, 'front'), processEnd('kube-apiserver')]);
      assert.deepEqual([service, backend], ['default/kubernetes', `${cluster.node('node1').address}:6443`]);
    }
  });

  it('names the pod that answered, through a rollout and a scale-down under load', async (test) => {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/far`;
    const { spec } = await cluster.admin.get(`/api/v1/namespaces/${NAMESPACE}/services/far`);
    const send = `echo "$i $(curl -s -m 2 http://${spec.clusterIP}:${spec.ports[0].port}/rollout/$i)"`;
    const load = cluster.exec(watched.shop.front, [
      ...['sh', '-c', `i=0; until [ -e /tmp/enough ]; do i=$((i + 1)); ${send}; done`],
    ]);
    /** Enough requests that each of three pods answers one. */
    const burst = (name: string): Promise<string> =>
      cluster.exec(watched.shop.front, [
        ...['sh', '-c', `n=0; while [ $n -lt 20 ]; do n=$((n + 1)); i=${name}-$n; ${send}; done`],
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
    const before = await burst('before');
    await cluster.admin.patch(path, { spec: { template: { metadata: { annotations: { version: '2' } } } } });
    await replicas(3);
    const after = await burst('after');
    await cluster.admin.patch(path, { spec: { replicas: 1 } });
    await replicas(1);
    await cluster.exec(watched.shop.front, ['sh', '-c', '>/tmp/enough']);
    // Some are answered by nobody: a pod may end before every node knows that it does.
    const lines = [before, after, await load]
      .join('')
      .split('\n')
      .map((line) => line.split(' '));
    const answered = new Map(lines.flatMap(([number = '', name = '']) => (name === '' ? [] : [[number, name]])));
    const pods = new Set(answered.values());
    test.diagnostic(`${answered.size} requests were answered by ${pods.size} pods`);
    assert.ok(pods.size >= 4, 'pods of both versions have answered');
    await watched.settled();
    const ofAnswered = async (): Promise<{ name: string; point: string; row: Told | undefined }[]> => {
      const seen = new Map((await watched.requests('node')).map((row) => [`${row.path} ${row.point}`, row]));
      return [...answered].flatMap(([number, name]) =>
        ['client', 'server'].map((point) => ({ name, point, row: seen.get(`/rollout/${number} ${point}`) })),
      );
    };
    const unknown = (all: Awaited<ReturnType<typeof ofAnswered>>): number =>
      all.filter(({ row }) => row?.destination.name === '').length;
    // A pod may answer before the API server's news of it: then it is told late, and the same rows know it.
    const first = await ofAnswered();
    test.diagnostic(`${unknown(first)} of ${first.length} rows do not know yet which pod answered`);
    await eventually('all to be known', async () => unknown(await ofAnswered()) === 0, 30_000);
    const all = await ofAnswered();
    const front = watched.shop.front.metadata.name;
    const wrong = all.filter(({ name, row }) => row?.source.name !== front || row.destination.name !== name);
    assert.deepEqual(wrong, []);
    const clients = all.flatMap(({ point, row }) => (point === 'client' ? [row] : []));
    assert.deepEqual([...new Set(clients.map((row) => row?.service))], [`${NAMESPACE}/far`]);
    assert.ok(
      clients.every((row) => /^10\.244\.2\.\d+:80$/.test(row?.backend ?? '')),
      'backends are pods of the second node',
    );
  });
});
