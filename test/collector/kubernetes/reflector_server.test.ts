/** A reflector and a real API server over an etcd that can stream lists: lists, changes, ends, silence, death. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubernetesApi } from '../../../collector/src/control/kubernetes/api.ts';
import { Credentials } from '../../../collector/src/control/kubernetes/credentials.ts';
import type { ReflectorTiming } from '../../../collector/src/control/kubernetes/resource.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../../support/kubernetes/find.ts';
import { type Running, reflect } from './support/mirror.ts';

const PODS = { path: '/api/v1/pods' };
const CONFIG_MAPS = { path: '/api/v1/namespaces/default/configmaps' };
const SERVICES = { path: '/api/v1/services' };

/** The machine may be busy. */
const PATIENCE_MS = 60_000;

describe('a reflector and a real API server', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  let api: KubernetesApi;
  const running: Running[] = [];

  before(async () => {
    plane = await startControlPlane();
    api = new KubernetesApi(new Credentials({ kubeconfig: plane.kubeconfig }), 'flowspan-test');
  });

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
  });

  after(async () => {
    api?.close();
    await plane?.stop();
  });

  function begin(resource: typeof PODS & { metadataOnly?: boolean }, timing: Partial<ReflectorTiming> = {}): Running {
    const each = reflect(api, resource, { timing, random: () => 0 });
    running.push(each);
    return each;
  }

  const until = (what: string, probe: () => boolean) => eventually(what, probe, PATIENCE_MS);

  const configMap = (name: string, data: object = {}) =>
    plane.admin.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { app: name } }, data });

  const pod = (name: string) =>
    plane.admin.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'web' }, annotations: { 'a/b': '"}]' } },
      spec: { nodeName: 'node-1', containers: [{ name: 'c', image: 'none' }] },
    });

  it('streams the list, then tells each change', async () => {
    await Promise.all(['a', 'b'].map(pod));
    const { reflector, mirror, logged } = begin(PODS);
    await until('the list', () => reflector.state.synced);
    assert.deepEqual(mirror.names, ['a', 'b']);
    assert.deepEqual(mirror.calls.slice(0, 1).concat(mirror.calls.slice(-1)), ['begin', 'end']);
    assert.equal(reflector.state.requests, 1, 'list and watch are one request');
    await pod('c');
    await plane.admin.patch('/api/v1/namespaces/default/pods/c/status', {
      status: { phase: 'Running', podIP: '10.1.2.3', podIPs: [{ ip: '10.1.2.3' }] },
    });
    await until('the change', () => mirror.count('changed c') >= 2);
    const [told] = [...mirror.objects.values()].filter(({ metadata }) => metadata.name === 'c');
    assert.equal(told?.status.podIP, '10.1.2.3');
    assert.equal(told?.spec.nodeName, 'node-1');
    assert.equal(told?.metadata.annotations?.['a/b'], '"}]');
    assert.equal(told?.metadata.resourceVersion, reflector.state.resourceVersion);
    await plane.admin.delete('/api/v1/namespaces/default/pods/a');
    await until('the deletion', () => mirror.count('deleted a') === 1);
    assert.deepEqual(mirror.names, ['b', 'c']);
    assert.ok(Math.abs(Date.now() - reflector.state.lastEventMs) < 30_000);
    assert.deepEqual(logged, []);
  });

  it('asks for metadata only, and gets no more', async () => {
    await configMap('big', { text: 'x'.repeat(200_000) });
    const [whole, slim] = [begin(CONFIG_MAPS), begin({ ...CONFIG_MAPS, metadataOnly: true })];
    await until('the lists', () => whole.reflector.state.synced && slim.reflector.state.synced);
    await configMap('late', { text: 'x' });
    await until('the change', () => slim.mirror.names.includes('late') && whole.mirror.names.includes('late'));
    assert.deepEqual(slim.mirror.names, whole.mirror.names);
    for (const { kind, data, metadata } of slim.mirror.objects.values()) {
      assert.deepEqual([kind, data, typeof metadata.uid], ['PartialObjectMetadata', undefined, 'string']);
    }
    assert.ok(whole.reflector.state.bytes > 200_000 && slim.reflector.state.bytes < 50_000);
  });

  it('misses nothing while the server ends watch after watch', async () => {
    const { reflector, mirror, logged } = begin(CONFIG_MAPS, { watchSeconds: 2 });
    await until('the list', () => reflector.state.synced);
    const before = mirror.names;
    const names = Array.from({ length: 60 }, (_, at) => `short-watch-${String(at).padStart(2, '0')}`);
    for (const name of names) {
      await configMap(name);
      await sleep(100);
    }
    await until('all of them', () => mirror.names.length === before.length + names.length);
    for (const name of names) assert.equal(mirror.count(`changed ${name}`), 1, 'each is told once');
    await until('the third watch', () => reflector.state.requests >= 3);
    assert.equal(reflector.state.relists, 0);
    assert.deepEqual(logged, [], 'an end that was asked for is no failure');
  });

  it('notices a server that hangs, and goes on where it was', async () => {
    const backoff = { firstMs: 200, mostMs: 1000, resetMs: 60_000 };
    const { reflector, mirror, logged } = begin(CONFIG_MAPS, { watchSilenceMs: 5000, backoff });
    await until('the list', () => reflector.state.synced);
    process.kill(plane.pid('kube-apiserver'), 'SIGSTOP');
    try {
      await until('silence', () => logged.some(({ code }) => code === 'FLOW_KUBERNETES_SILENT'));
      assert.equal(reflector.state.synced, true);
      assert.ok(mirror.names.length > 0, 'what is known is kept');
    } finally {
      process.kill(plane.pid('kube-apiserver'), 'SIGCONT');
    }
    await configMap('after-the-silence');
    await until('the change', () => mirror.names.includes('after-the-silence'));
    assert.equal(reflector.state.relists, 0);
  });

  it('outlives the death of the server and the compaction of its history: one list, no storm', async (test) => {
    const reflectors = [PODS, CONFIG_MAPS, SERVICES].map((resource) => begin(resource));
    const each = reflectors.map(({ reflector: { state } }) => state);
    await until('the lists', () => each.every(({ synced }) => synced));
    const names = reflectors.map(({ mirror }) => mirror.names);
    const requests = each.map((state) => state.requests);
    // History goes on beside what the pods' reflector has heard of.
    for (let at = 0; at < 20; at++) await configMap(`history-${at}`);
    await until('the history', () => reflectors[1]!.mirror.names.includes('history-19'));
    const heard = each.map(({ lastEventMs }) => lastEventMs);
    await plane.stopApiServer();
    await compact(plane);
    await sleep(3000);
    assert.deepEqual(reflectors[0]!.mirror.names, names[0], 'stale data is there');
    assert.deepEqual(
      each.map(({ lastEventMs }) => lastEventMs),
      heard,
      'and its age is told',
    );
    await plane.startApiServer();
    await configMap('after-the-death');
    await plane.admin.delete('/api/v1/namespaces/default/pods/b');
    await until('the change', () => reflectors[1]!.mirror.names.includes('after-the-death'));
    await until('the deletion', () => !reflectors[0]!.mirror.names.includes('b'));
    await until('services', () => each[2]!.lastEventMs > heard[2]!);
    for (const [at, { relists }] of each.entries()) assert.ok(relists <= 1, `${at}: ${relists} relists`);
    assert.ok(each[0]!.relists === 1, 'the pods’ version was gone');
    const asked = each.map((state, at) => state.requests - requests[at]!);
    test.diagnostic(`requests of each reflector for a server that was away: ${asked}`);
    // 0.8 s doubled to 30 s, for as long as the start may take, then the watch and the list.
    for (const count of asked) assert.ok(count <= 12, `${asked}`);
    const gone = reflectors[0]!.logged.filter(({ msg }) => / 410 /.test(msg));
    assert.equal(gone.length, 1);
  });

  it('states what two reflectors cost the server', async (test) => {
    const reflectors = [begin(PODS), begin(CONFIG_MAPS)];
    const [before, each] = [{ ...api.traffic }, reflectors.map(({ reflector: { state } }) => state)];
    await until('the lists', () => each.every(({ synced }) => synced));
    const synced = each.map(({ requests, bytes }) => ({ requests, bytes }));
    for (let at = 0; at < 50; at++) await configMap(`cost-${at}`);
    await until('the changes', () => reflectors[1]!.mirror.names.filter((name) => /^cost-/.test(name)).length === 50);
    const items = reflectors.map(({ mirror }) => mirror.count('begin') && mirror.objects.size);
    test.diagnostic(
      `synced: ${JSON.stringify(synced)}, then 50 changes: ${JSON.stringify(each.map(({ requests, bytes }) => ({ requests, bytes })))}, objects: ${items}`,
    );
    assert.deepEqual(
      each.map(({ requests }) => requests),
      [1, 1],
    );
    const bytes = each.reduce((sum, state) => sum + state.bytes, 0);
    assert.deepEqual(
      api.traffic,
      { requests: before.requests + 2, bytes: before.bytes + bytes },
      'both, and only they',
    );
  });
});

/** Compacts the history of a real etcd up to its newest revision. */
async function compact(plane: ControlPlane): Promise<void> {
  const words = readFileSync(`/proc/${plane.pid('etcd')}/cmdline`, 'utf8');
  const url = /--listen-client-urls[=\0](http:[^\0]+)/.exec(words)?.[1];
  const ask = async (path: string, body: object) => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
    return (await answer.json()) as { header: { revision: string } };
  };
  const { header } = await ask('/v3/kv/range', { key: 'AA==', range_end: 'AQ==', limit: 1 });
  await ask('/v3/kv/compaction', { revision: header.revision });
}
