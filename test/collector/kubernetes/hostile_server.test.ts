/** Objects as hostile as a real API server lets them be: they are named like others, bounded, and pollute nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { loadConfig } from '../../../collector/src/config.ts';
import { type Kubernetes, openKubernetes } from '../../../collector/src/control/kubernetes/open.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../../support/kubernetes/find.ts';

const CONTAINER = { name: 'main', image: 'registry.invalid/x:1' };
/** The server's own limit of all annotations of an object, bytes. */
const ANNOTATIONS = 262_144;
/** The longest name of a pod: labels of 63 characters with every legal one. */
const LONGEST = `${'a'.repeat(62)}0.${'b-9'.repeat(21)}.${'c'.repeat(63)}.${'9z'.repeat(30)}x`;
/** Keys that plain objects inherit. */
const INHERITED = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf'];

interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

describe('hostile objects of a real API server', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let kubernetes: Kubernetes;

  before(async () => {
    plane = await startControlPlane();
    const config = loadConfig(['--kubernetes-kubeconfig', plane.kubeconfig, '--kubernetes-node-name', 'n'], {});
    const opened = openKubernetes(config, pino({ level: 'silent' }));
    assert.ok(opened !== undefined);
    kubernetes = opened;
    await kubernetes.identity.start(() => undefined, { updated: () => undefined, ended: () => undefined });
    await kubernetes.identity.sync();
    await eventually('the first lists', () => kubernetes.watch.synced, 30_000);
  });
  after(async () => {
    kubernetes?.identity.close();
    await plane?.stop();
  });

  /** Has the server take a pod; resolves with what is known of it. */
  async function known(metadata: Metadata, spec: object = {}) {
    const pod = await plane.admin.create({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'default', ...metadata } },
      spec: { nodeName: 'n', containers: [CONTAINER], ...spec },
    });
    const path = `/kubepods/besteffort/pod${pod.metadata.uid}/x`;
    return eventually(`news of ${metadata.name.slice(0, 20)}`, () => {
      const found = kubernetes.identity.ofCgroup(path);
      return found?.name === '' ? undefined : found;
    });
  }

  it('with 10,000 labels', async () => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`label-${index}`, 'x']));
    const { name, labels: kept } = await known({ name: 'labels', labels });
    assert.equal(name, 'labels');
    assert.ok(Object.keys(kept).length <= 64);
  });

  it('with all the annotations there can be', async () => {
    const metadata = { name: 'annotations', annotations: { 'resource.opentelemetry.io/a': 'x'.repeat(1_500_000) } };
    const { status } = await plane.admin.ask('POST', '/api/v1/namespaces/default/pods', {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [CONTAINER] } },
    });
    assert.equal(status, 422, '1.5 MB are too many for the server itself');
    const key = 'resource.opentelemetry.io/a';
    const identity = await known({
      name: 'annotations',
      annotations: { [key]: 'x'.repeat(ANNOTATIONS - key.length) },
    });
    assert.equal(identity.name, 'annotations');
    assert.ok(JSON.stringify({ ...identity, id: '', pod: '' }).length < 10_000, 'a text so long is not kept');
  });

  it('of 1.4 MB', async () => {
    const env = Array.from({ length: 14 }, (_, index) => ({ name: `E${index}`, value: 'x'.repeat(100_000) }));
    const identity = await known({ name: 'large' }, { containers: [{ ...CONTAINER, env }] });
    assert.equal(identity.name, 'large');
  });

  it('with keys that plain objects inherit', async () => {
    const inherited = Object.fromEntries(INHERITED.map((key) => [key, 'theirs']));
    const { labels } = await known({ name: 'keys', labels: inherited, annotations: inherited });
    assert.deepEqual({ ...labels }, inherited);
    const body = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"__proto__":"x"}},"spec":{"containers":[{"name":"a","image":"b"}]}}`;
    const { status } = await plane.admin.ask('POST', '/api/v1/namespaces/default/pods', JSON.parse(body) as object);
    assert.equal(status, 422, '__proto__ is no key for the server itself');
    assert.deepEqual(Object.keys(Object.prototype), []);
    assert.equal(typeof {}.toString, 'function');
  });

  it('with names of every legal character, as long as can be', async () => {
    for (const name of [LONGEST, '0', 'a.b-c.9', '1-1.2-2']) assert.equal((await known({ name })).name, name);
    const value = `A${'Zz9-_.'.repeat(10)}z0`;
    const label = `${'p'.repeat(60)}.${'q-9'.repeat(20)}.example/A${'b_C.-d'.repeat(10)}9z`;
    const { labels } = await known({ name: 'label', labels: { [label]: value } });
    assert.deepEqual({ ...labels }, { [label]: value });
  });

  it('and none of them was skipped', () => {
    assert.deepEqual(
      kubernetes.watch.status().map(({ skipped }) => skipped),
      Array(7).fill(0),
    );
    assert.equal(kubernetes.identity.cluster.unreadable, 0);
  });
});
