/**
 * deploy/rbac/collector.yaml is the least that works: with each right of it taken away, on a real API server, the
 * collector misses what happens. The server's etcd is too old for streaming lists: one that streams them needs no `list`,
 * until it refuses once. That there is no right too many beside these: test/e2e/kubernetes_rbac.test.ts.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import https from 'node:https';
import { after, before, describe, it } from 'node:test';
import { loadAllYaml } from '@kubernetes/client-node';
import { KubernetesApi } from '../../../collector/src/control/kubernetes/api.ts';
import { RESOURCES, type ResourceName } from '../../../collector/src/control/kubernetes/cluster.ts';
import type { Connection, Credentials } from '../../../collector/src/control/kubernetes/credentials.ts';
import { WATCHED } from '../../../collector/src/control/kubernetes/watch.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { DEBIAN_ETCD, whyNoControlPlane } from '../../support/kubernetes/find.ts';
import { type Running, reflect } from './support/mirror.ts';

const FILE = new URL('../../../deploy/rbac/collector.yaml', import.meta.url);
const NAMESPACE = 'flowspan';
const PATIENCE_MS = 60_000;

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
/** A right by itself. */
interface Right {
  readonly resource: string;
  readonly verb: string;
}

const deployed = (loadAllYaml(readFileSync(FILE, 'utf8')) as { kind: string; rules: Rule[] }[]).find(
  ({ kind }) => kind === 'ClusterRole',
) as { rules: Rule[] };
const rights: readonly Right[] = deployed.rules.flatMap(({ resources, verbs }) =>
  resources.flatMap((resource) => verbs.map((verb) => ({ resource, verb }))),
);

/** The deployed rules without one right. */
function rulesWithout({ resource, verb }: Right): Rule[] {
  return deployed.rules.flatMap((rule) =>
    rule.resources.map((each) => ({
      apiGroups: rule.apiGroups,
      resources: [each],
      verbs: each === resource ? rule.verbs.filter((one) => one !== verb) : rule.verbs,
    })),
  );
}

/** An object of each resource, made when all is watched. */
const NEW: Readonly<Record<ResourceName, object>> = {
  namespaces: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } },
  nodes: { apiVersion: 'v1', kind: 'Node', metadata: { name: 'new' } },
  pods: inNamespace('v1', 'Pod', { spec: { containers: [{ name: 'main', image: 'none' }] } }),
  services: inNamespace('v1', 'Service', { spec: { ports: [{ port: 80 }] } }),
  endpointslices: inNamespace('discovery.k8s.io/v1', 'EndpointSlice', { addressType: 'IPv4', endpoints: [] }),
  replicasets: inNamespace('apps/v1', 'ReplicaSet', { spec: { selector: selector(), template: template('Always') } }),
  jobs: inNamespace('batch/v1', 'Job', { spec: { template: template('Never') } }),
};

function inNamespace(apiVersion: string, kind: string, content: object): object {
  return { apiVersion, kind, metadata: { name: 'new', namespace: NAMESPACE }, ...content };
}
function selector(): object {
  return { matchLabels: { app: 'new' } };
}
function template(restartPolicy: string): object {
  const spec = { restartPolicy, containers: [{ name: 'main', image: 'none' }] };
  return { metadata: { labels: { app: 'new' } }, spec };
}

const skip = whyNoControlPlane() ?? (existsSync(DEBIAN_ETCD) ? false : 'no etcd-server of Debian');

describe("each of the collector's rights", { skip }, () => {
  let plane: ControlPlane;
  let agent: https.Agent;
  /** Reflectors with every right, and one for each right that is missing, of its resource. */
  const whole = new Map<ResourceName, Running>();
  const without: { readonly right: Right; readonly running: Running }[] = [];

  before(async () => {
    plane = await startControlPlane({ etcd: DEBIAN_ETCD });
    agent = new https.Agent({ keepAlive: true, ca: readFileSync(plane.keys.file('authority.crt')) });
    const [all, ...less] = await Promise.all([
      account('whole', deployed.rules),
      ...rights.map((right) => account(`no-${right.verb}-${right.resource}`, rulesWithout(right))),
    ]);
    for (const resource of RESOURCES) whole.set(resource, begin(all, resource));
    await eventually('all to be listed', () => [...whole.values()].every(isSynced), PATIENCE_MS);
    for (const [index, right] of rights.entries())
      without.push({ right, running: begin(less[index] as string, right.resource as ResourceName) });
    // Each has been refused, or it never will be.
    await eventually('the refusals', () => without.every(({ running }) => refusals(running) > 0), PATIENCE_MS);
    for (const object of Object.values(NEW)) await plane.admin.create(object);
    await eventually('all to be seen', () => [...whole.values()].every(sees), PATIENCE_MS);
  });
  after(async () => {
    await Promise.all([...whole.values(), ...without.map(({ running }) => running)].map((each) => each.stop()));
    agent?.destroy();
    await plane?.stop();
  });

  /** Makes a ServiceAccount with these rights alone, and returns a token of it. */
  async function account(name: string, rules: readonly Rule[]): Promise<string> {
    const group = 'rbac.authorization.k8s.io';
    const subjects = [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }];
    const roleRef = { apiGroup: group, kind: 'ClusterRole', name };
    for (const object of [
      { kind: 'ClusterRole', rules: rules.filter(({ verbs }) => verbs.length > 0) },
      { kind: 'ClusterRoleBinding', roleRef, subjects },
    ]) {
      await plane.admin.create({ apiVersion: `${group}/v1`, metadata: { name }, ...object });
    }
    return plane.serviceAccountToken(NAMESPACE, name);
  }

  function begin(token: string, resource: ResourceName): Running {
    const connection: Connection = {
      server: new URL(plane.url),
      headers: { Authorization: `Bearer ${token}` },
      agent,
    };
    // As Credentials gives it, without a process for each token.
    const credentials = { get: async () => connection, refused: () => {} } as unknown as Credentials;
    const backoff = { firstMs: 100, mostMs: 400, resetMs: 60_000 };
    return reflect(new KubernetesApi(credentials, 'flowspan-test'), WATCHED[resource], { timing: { backoff } });
  }

  const isSynced = ({ reflector }: Running): boolean => reflector.state.synced;
  const sees = ({ mirror }: Running): boolean => mirror.names.includes('new');
  const refusals = ({ logged }: Running): number =>
    logged.filter(({ code, msg }) => code === 'FLOW_KUBERNETES_ANSWER' && msg.includes('403 Forbidden')).length;

  it('is one of list and watch, of what is watched', () => {
    const wanted = RESOURCES.flatMap((resource) => ['list', 'watch'].map((verb) => `${verb} ${resource}`));
    assert.deepEqual(rights.map(({ resource, verb }) => `${verb} ${resource}`).toSorted(), wanted.toSorted());
  });

  it('is enough with the others: everything new is seen', () => {
    for (const running of whole.values()) assert.equal(refusals(running), 0);
  });

  for (const [index, { resource, verb }] of rights.entries()) {
    it(`is needed: ${verb} ${resource}`, () => {
      const { running } = without[index] as { running: Running };
      assert.equal(sees(running), false);
      if (verb === 'list') assert.equal(isSynced(running), false);
    });
  }
});
