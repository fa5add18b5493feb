/**
 * Policies of a real API server, with the rights of deploy/rbac and no others: those that it has from the start, and those
 * whose definition is installed while the collector watches.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { loadAllYaml } from '@kubernetes/client-node';
import { pino } from 'pino';
import { KubernetesWatch } from '../../../collector/src/control/kubernetes/watch.ts';
import { kindsFor } from '../../../collector/src/control/objects/kinds.ts';
import { type ObjectFollower, titleOf } from '../../../collector/src/control/objects/source.ts';
import { WatchedObjects } from '../../../collector/src/control/objects/watched.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { collectorToken } from '../../support/kubernetes/collector_account.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../../support/kubernetes/find.ts';
import { openCluster } from '../kubernetes/support/cluster.ts';

const RIGHTS = new URL('../../../deploy/rbac/dataplane.yaml', import.meta.url);
const PATIENCE_MS = 30_000;
const DEFINITION = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'ciliumnetworkpolicies.cilium.io' },
  spec: {
    ...{ group: 'cilium.io', scope: 'Namespaced' },
    names: { plural: 'ciliumnetworkpolicies', singular: 'ciliumnetworkpolicy', kind: 'CiliumNetworkPolicy' },
    versions: [
      {
        ...{ name: 'v2', served: true, storage: true },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

describe('policies of a real API server', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let feed: KubernetesWatch;
  let objects: WatchedObjects;
  let close: () => void = () => undefined;
  const logged: string[] = [];
  const held = new Set<string>();
  let settlements = 0;
  const follower: ObjectFollower = {
    check: () => undefined,
    take: (id) => held.add(titleOf(id)),
    delete: (id) => held.delete(titleOf(id)),
    settled: () => {
      settlements += 1;
    },
  };

  before(async () => {
    plane = await startControlPlane();
    const token = await collectorToken(plane.admin);
    for (const object of loadAllYaml(readFileSync(RIGHTS, 'utf8')) as object[]) await plane.admin.create(object);
    const spec = { podSelector: {}, policyTypes: ['Ingress'] };
    const metadata = { name: 'web', namespace: 'flowspan' };
    await plane.admin.create({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec });
    const log = pino({ level: 'warn' }, { write: (text: string) => logged.push(text) });
    objects = new WatchedObjects(kindsFor(['policy']), log);
    objects.follow(['NetworkPolicy', 'CiliumNetworkPolicy', 'Namespace'], follower);
    const timing = { absentAgainMs: 500 };
    const kubeconfig = plane.tokenKubeconfig(token);
    feed = new KubernetesWatch({ kubeconfig, context: '', version: 'test', log, timing, objects });
    const { cluster, identity } = await openCluster();
    close = () => {
      feed.close();
      identity.close();
    };
    await feed.start(cluster);
  });
  after(async () => {
    close();
    await plane?.stop();
  });

  it('are known at the start, and those without a definition are none', async () => {
    await eventually('the first settlement', () => settlements > 0, PATIENCE_MS);
    assert.ok(held.has('NetworkPolicy flowspan/web') && held.has('Namespace flowspan'), [...held].join());
    // The follower waits for its own kinds only.
    const absent = () => objects.conditions().filter(({ reason }) => reason === 'NotServed');
    await eventually('the kinds that are not served', () => absent().length > 2, PATIENCE_MS);
    assert.deepEqual(
      absent()
        .map(({ kind }) => kind)
        .toSorted(),
      ['CiliumClusterwideNetworkPolicy', 'CiliumNetworkPolicy', 'ClusterNetworkPolicy'],
    );
    const warnings = logged.filter((line) => !line.includes('has not told all yet'));
    assert.deepEqual(warnings, [], 'nobody is warned of that; a slow machine may say that names come later');
  });

  it('are known as soon as their definition is there', async () => {
    const made = await plane.admin.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', DEFINITION);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const path = '/apis/cilium.io/v2/namespaces/flowspan/ciliumnetworkpolicies';
    const metadata = { name: 'http', namespace: 'flowspan' };
    const policy = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata,
      spec: { endpointSelector: {} },
    };
    await eventually(
      'the definition',
      async () => (await plane.admin.ask('POST', path, policy)).status === 201,
      PATIENCE_MS,
    );
    await eventually('the policy', () => held.has('CiliumNetworkPolicy flowspan/http'), PATIENCE_MS);
    assert.ok(
      !objects.conditions().some(({ kind, reason }) => kind === 'CiliumNetworkPolicy' && reason === 'NotServed'),
    );
    await plane.admin.delete(`${path}/http`);
    await eventually('its end', () => !held.has('CiliumNetworkPolicy flowspan/http'), PATIENCE_MS);
  });
});
