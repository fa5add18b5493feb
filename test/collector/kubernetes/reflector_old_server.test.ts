/** A reflector and a real API server over Debian's etcd, which is too old for streaming lists: page by page. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { KubernetesApi, type Question } from '../../../collector/src/control/kubernetes/api.ts';
import { Credentials } from '../../../collector/src/control/kubernetes/credentials.ts';
import type { Resource } from '../../../collector/src/control/kubernetes/resource.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from '../../support/kubernetes/control_plane.ts';
import { DEBIAN_ETCD, whyNoControlPlane } from '../../support/kubernetes/find.ts';
import { type Running, reflect } from './support/mirror.ts';

const CONFIG_MAPS = { path: '/api/v1/namespaces/default/configmaps' };
const PATIENCE_MS = 60_000;
const MAPS = 1100;

const skip = whyNoControlPlane() ?? (existsSync(DEBIAN_ETCD) ? false : 'no etcd-server of Debian');

describe('a reflector and a server that does not stream lists', { skip }, () => {
  let plane: ControlPlane;
  let api: KubernetesApi;
  const running: Running[] = [];

  before(async () => {
    plane = await startControlPlane({ etcd: DEBIAN_ETCD });
    api = new KubernetesApi(new Credentials({ kubeconfig: plane.kubeconfig }), 'flowspan-test');
    for (let at = 0; at < MAPS; at += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, more) => configMap(`map-${at + more}`)));
    }
  });

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
  });

  after(async () => {
    api?.close();
    await plane?.stop();
  });

  const configMap = (name: string) =>
    plane.admin.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { items: '[{"a":1}]' } });

  const until = (what: string, probe: () => boolean) => eventually(what, probe, PATIENCE_MS);

  /** Runs a reflector and notes what it asks. */
  function begin(
    resource: Resource = CONFIG_MAPS,
    watchSeconds = 300,
  ): Running & { readonly queries: Question['query'][] } {
    const queries: Question['query'][] = [];
    const noted: Pick<KubernetesApi, 'get'> = {
      get: (path, question) => {
        queries.push(question.query);
        return api.get(path, question);
      },
    };
    const backoff = { firstMs: 200, mostMs: 1000, resetMs: 60_000 };
    const each = reflect(noted, resource, { timing: { backoff, watchSeconds }, random: () => 0 });
    running.push(each);
    return { ...each, queries };
  }

  it('is refused in the stream, takes pages, and watches on from them', async () => {
    const { reflector, mirror, logged } = begin(CONFIG_MAPS, 2);
    await until('the list', () => reflector.state.synced);
    assert.equal(mirror.objects.size >= MAPS, true);
    assert.deepEqual(mirror.calls.slice(0, 2), ['begin', 'begin'], 'the stream began nothing');
    assert.deepEqual(
      logged.map(({ level }) => level),
      [20],
      'an old server is nobody’s failure',
    );
    await configMap('late');
    await until('the change', () => mirror.count('changed late') === 1);
    const { requests } = reflector.state;
    await until('more watches', () => reflector.state.requests >= requests + 2);
    await plane.admin.delete(`${CONFIG_MAPS.path}/late`);
    await until('the deletion', () => !mirror.names.includes('late'));
    assert.equal(reflector.state.relists, 0);
    assert.equal(mirror.count('begin'), 2);
  });

  it('takes metadata only, page by page', async () => {
    const { reflector, mirror } = begin({ ...CONFIG_MAPS, metadataOnly: true });
    await until('the list', () => reflector.state.synced);
    assert.equal(mirror.objects.size >= MAPS, true);
    for (const { data } of mirror.objects.values()) assert.equal(data, undefined);
  });

  it('lists anew, in real pages, when its version is gone', async () => {
    const { reflector, mirror, logged, queries } = begin();
    await until('the list', () => reflector.state.synced);
    assert.deepEqual(queries[1], { limit: '500', resourceVersion: '0' }, 'from memory, if the server likes');
    // History that this reflector does not hear of: the server begins its memory behind it when it comes back.
    for (let at = 0; at < 20; at++) {
      await plane.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `history-${at}` } });
    }
    await plane.stopApiServer();
    const before = queries.length;
    await plane.startApiServer();
    await configMap('while-away');
    await until('the news', () => mirror.names.includes('while-away') && queries.at(-1)?.watch === 'true');
    assert.equal(reflector.state.relists, 1);
    assert.ok(logged.some(({ msg }) => / 410 /.test(msg)));
    const pages = queries.slice(before).filter(({ watch }) => watch === undefined);
    assert.deepEqual(
      pages.map(({ limit, continue: next }) => [limit, next !== undefined]),
      [
        ['500', false],
        ['500', true],
        ['500', true],
      ],
    );
    assert.equal(
      pages.some(({ resourceVersion }) => resourceVersion !== undefined),
      false,
    );
    assert.equal(mirror.names.filter((name) => name.startsWith('map-')).length, MAPS);
  });
});
