/** deploy/rbac/collector.yaml on a real API server: everything that is watched can be watched, and nothing more done. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { RESOURCES } from '../../collector/src/control/kubernetes/cluster.ts';
import type { KubernetesApi } from '../support/kubernetes/api.ts';
import { collectorToken } from '../support/kubernetes/collector_account.ts';
import { type ControlPlane, startControlPlane } from '../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../support/kubernetes/find.ts';

/** Watched resources, `group/resource`, and their paths. */
const WATCHED: Readonly<Record<string, string>> = {
  '/pods': '/api/v1/pods',
  '/services': '/api/v1/services',
  '/nodes': '/api/v1/nodes',
  '/namespaces': '/api/v1/namespaces',
  'discovery.k8s.io/endpointslices': '/apis/discovery.k8s.io/v1/endpointslices',
  'apps/replicasets': '/apis/apps/v1/replicasets',
  'batch/jobs': '/apis/batch/v1/jobs',
};
const VERBS = 'get list watch create update patch delete deletecollection impersonate bind escalate approve'.split(' ');
/** What Kubernetes lets everybody who is authenticated do: ask about themselves. */
const EVERYBODY = new Set([
  'create authorization.k8s.io/selfsubjectaccessreviews',
  'create authorization.k8s.io/selfsubjectrulesreviews',
  'create authentication.k8s.io/selfsubjectreviews',
]);
const AT_ONCE = 16;

interface Question {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly verb: string;
}

/** Every resource and subresource that the server has, and some that a verb of its own protects, by every verb. */
async function everyQuestion(admin: KubernetesApi): Promise<Question[]> {
  const { groups } = (await admin.get('/apis')) as unknown as {
    groups: { name: string; preferredVersion: { groupVersion: string } }[];
  };
  const lists = [
    ['', '/api/v1'],
    ...groups.map(({ name, preferredVersion }) => [name, `/apis/${preferredVersion.groupVersion}`]),
  ] as [string, string][];
  const resources = [
    { group: '', name: 'users' },
    { group: '', name: 'groups' },
    { group: '*', name: '*' },
  ];
  for (const [group, path] of lists) {
    const { resources: listed } = (await admin.get(path)) as unknown as { resources: { name: string }[] };
    resources.push(...listed.map(({ name }) => ({ group, name })));
  }
  return resources.flatMap(({ group, name }) => {
    const [resource = '', subresource = ''] = name.split('/');
    return VERBS.map((verb) => ({ group, resource, subresource, verb }));
  });
}

/** The questions that are answered with yes, as `verb group/resource[/subresource]`, sorted. */
async function allowed(api: KubernetesApi, questions: readonly Question[]): Promise<string[]> {
  const yes: string[] = [];
  const left = [...questions];
  const ask = async (): Promise<void> => {
    for (let question = left.pop(); question !== undefined; question = left.pop()) {
      const { body } = await api.ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: question },
      });
      assert.equal(typeof body.status?.allowed, 'boolean', JSON.stringify(body));
      const { verb, group, resource, subresource } = question;
      if (body.status.allowed) yes.push(`${verb} ${group}/${resource}${subresource === '' ? '' : `/${subresource}`}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return yes.toSorted();
}

describe("the collector's rights", { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let collector: KubernetesApi;

  before(async () => {
    plane = await startControlPlane();
    collector = plane.withToken(await collectorToken(plane.admin));
    await plane.admin.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'shop', namespace: 'flowspan' },
      spec: { nodeName: 'node', containers: [{ name: 'main', image: 'none' }] },
    });
  });
  after(async () => {
    collector?.close();
    await plane?.stop();
  });

  it('are tested for what the collector watches', () => {
    const tested = Object.keys(WATCHED).map((name) => name.split('/')[1]);
    assert.deepEqual(tested.toSorted(), [...RESOURCES].toSorted());
  });

  it('are those of a pod that the API server knows every field of', async () => {
    const pod = parse(readFileSync(new URL('../../deploy/container/collector-pod.yaml', import.meta.url), 'utf8'));
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods?dryRun=All&fieldValidation=Strict`;
    const { status, body } = await plane.admin.ask('POST', path, pod);
    assert.equal(status, 201, JSON.stringify(body));
  });

  describe('of what is watched', { concurrency: true }, () => {
    for (const path of Object.values(WATCHED)) {
      it(`lets it list and watch ${path}`, async () => {
        const list = await collector.ask('GET', `${path}?limit=500`);
        assert.equal(list.status, 200);
        const version = list.body.metadata.resourceVersion as string;
        const watch = await collector.ask('GET', `${path}?watch=true&resourceVersion=${version}&timeoutSeconds=1`);
        assert.equal(watch.status, 200);
        const streamed = `${path}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`;
        const stream = await collector.ask('GET', streamed);
        assert.equal(stream.status, 200);
        assert.match(typeof stream.body === 'string' ? stream.body : JSON.stringify(stream.body), /initial-events-end/);
      });
    }
  });

  it('says yes to that, and to nothing else that the API server knows', async () => {
    const questions = await everyQuestion(plane.admin);
    assert.ok(questions.length > 500, `${questions.length} questions`);
    const watched = Object.keys(WATCHED).flatMap((name) => [`list ${name}`, `watch ${name}`]);
    assert.deepEqual(await allowed(collector, questions), [...watched, ...EVERYBODY].toSorted());
    // The same questions of who may do everything: they are understood.
    assert.equal((await allowed(plane.admin, questions)).length, questions.length);
  });

  for (const [method, path, body] of [
    ['GET', '/api/v1/namespaces/flowspan/pods/shop'],
    ['GET', '/api/v1/namespaces/flowspan/pods/shop/log'],
    ['POST', '/api/v1/namespaces/flowspan/pods/shop/exec?command=id&stdout=true'],
    ['DELETE', '/api/v1/namespaces/flowspan/pods/shop'],
    ['GET', '/api/v1/secrets'],
    ['GET', '/api/v1/configmaps'],
    ['GET', '/apis/apps/v1/deployments'],
    ['GET', '/metrics'],
    ['POST', '/api/v1/namespaces/flowspan/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'another' } }],
    [
      'POST',
      '/api/v1/namespaces/flowspan/serviceaccounts/flowspan-collector/token',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: {} },
    ],
  ] as const) {
    it(`is refused ${method} ${path}`, async () => {
      const { status, body: answer } = await collector.ask(method, path, body);
      assert.equal(status, 403, JSON.stringify(answer));
    });
  }

  it('has no right without the binding', async () => {
    await plane.admin.delete('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/flowspan-collector');
    // The authorizer hears of it by a watch of its own.
    const end = performance.now() + 10_000;
    let status = 200;
    while (status !== 403 && performance.now() < end) ({ status } = await collector.ask('GET', '/api/v1/pods'));
    assert.equal(status, 403);
  });
});
