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
import { assertRouteApart, podEnd, processEnd, type Route } from '../support/kubernetes/routes.ts';
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
    const send = `curl -s -m 2 http://${spec.clusterIP}:${spec.ports[0].port}/rollout/$i`;
    const load = cluster.exec(watched.shop.front, [
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
    await cluster.exec(watched.shop.front, ['sh', '-c', '>/tmp/enough']);
    // Some are answered by nobody: a pod may end before every node knows that it does.
    const lines = (await load).split('\n').map((line) => line.split(' '));
    const answered = new Map(lines.flatMap(([number = '', name = '']) => (name === '' ? [] : [[number, name]])));
    const pods = new Set(answered.values());
    test.diagnostic(`${answered.size} requests were answered by ${pods.size} pods`);
    assert.ok(pods.size >= 4, 'pods of both versions have answered');
    await watched.settled();
    const seen = new Map((await watched.requests('node')).map((row) => [`${row.path} ${row.point}`, row]));
    const ofAnswered = [...answered].flatMap(([number, name]) =>
      ['client', 'server'].map((point) => ({ name, point, row: seen.get(`/rollout/${number} ${point}`) })),
    );
    // A pod that answers before the API server's news of it have come is not known yet: better than known wrongly.
    const unknown = ofAnswered.filter(({ row }) => row?.destination.name === '');
    test.diagnostic(`${unknown.length} of ${ofAnswered.length} rows do not know yet which pod answered`);
    const wrong = ofAnswered.filter(
      ({ name, row }) =>
        row?.source.name !== watched.shop.front.metadata.name || !['', name].includes(row.destination.name),
    );
    assert.deepEqual(wrong, []);
    const dialled = ofAnswered.flatMap(({ point, row }) => (point === 'client' ? [row?.service] : []));
    assert.deepEqual([...new Set(dialled)], [`${NAMESPACE}/far`]);
  });
});
