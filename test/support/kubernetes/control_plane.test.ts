/** The control plane that other tests are built on: what each kind of it does. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type ControlPlane, startControlPlane } from './control_plane.ts';
import { DEBIAN_ETCD, whyNoControlPlane, whyNoKwok } from './find.ts';
import { simulatedNode } from './kwok.ts';

const STREAM =
  '/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2';

async function withPlane(
  options: Parameters<typeof startControlPlane>[0],
  check: (plane: ControlPlane) => Promise<void>,
): Promise<void> {
  const plane = await startControlPlane(options);
  try {
    await check(plane);
  } finally {
    await plane.stop();
  }
}

describe('a control plane', { skip: whyNoControlPlane() ?? false }, () => {
  it('streams lists, knows accounts by their tokens, and keeps everything over a restart', () =>
    withPlane({}, async ({ admin, serviceAccountToken, withToken, stopApiServer, startApiServer }) => {
      assert.match(String((await admin.ask('GET', STREAM)).body), /initial-events-end/);
      const somebody = withToken(await serviceAccountToken('shop', 'somebody'));
      assert.equal((await somebody.ask('GET', '/api/v1/pods')).status, 403);
      await stopApiServer();
      await startApiServer();
      assert.equal((await somebody.ask('GET', '/api/v1/pods')).status, 403);
      assert.equal((await admin.get('/api/v1/namespaces/shop')).metadata.name, 'shop');
      somebody.close();
    }));

  const noDebianEtcd = existsSync(DEBIAN_ETCD) ? false : `no ${DEBIAN_ETCD}: run make setup-test`;
  it("refuses to stream lists over Debian's etcd", { skip: noDebianEtcd }, () =>
    withPlane({ etcd: DEBIAN_ETCD }, async ({ admin }) => {
      const { body } = await admin.ask('GET', STREAM);
      assert.equal(body.type, 'ERROR');
      assert.equal(body.object.code, 500);
    }),
  );

  it('has deployments rolled out to simulated nodes', { skip: whyNoKwok() ?? false }, () =>
    withPlane({ controllers: true, scheduler: true, kwok: true }, async ({ admin, output }) => {
      await admin.create(simulatedNode('far-away', 0));
      await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
      await admin.create({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web', namespace: 'shop' },
        spec: {
          replicas: 20,
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'none' }] } },
        },
      });
      const addresses = await eventually(
        'twenty pods to run',
        async () => {
          const { items } = await admin.get('/api/v1/namespaces/shop/pods');
          const running = items.filter((pod: { status: { phase: string } }) => pod.status.phase === 'Running');
          return running.length === 20 && running.map((pod: { status: { podIP: string } }) => pod.status.podIP);
        },
        30_000,
      ).catch((error: Error) => assert.fail(`${error.message}\n${output().slice(-5000)}`));
      assert.equal(new Set(addresses).size, 20);
      for (const address of addresses) assert.match(address, /^10\.100\.0\./);
    }),
  );
});
