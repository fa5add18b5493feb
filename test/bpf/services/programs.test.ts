/** Real clients and servers that know nothing of services: nginx, redis, curl, wrk. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { service, slice } from './objects.ts';
import { createServiceScene, type ServiceScene } from './scene.ts';

const VIP = { web: '10.96.0.10', store: '10.96.0.20' };
const WEB = [8081, 8082, 8083];
const REDIS = 6379;

const WHO = 'location = /who { return 200 "web $server_port\\n"; }';

describe('programs that dial a service', () => {
  let scene: ServiceScene;
  let folder: string;
  const nginxes: Nginx[] = [];
  let redis: Program;

  before(async () => {
    scene = await createServiceScene({});
    folder = mkdtempSync(join(tmpdir(), 'fs-services-'));
    for (const port of WEB) nginxes.push(await startNginx(scene.server, { port, workers: 1, locations: WHO }));
    const options = [
      '--port',
      `${REDIS}`,
      '--bind',
      '0.0.0.0',
      '--protected-mode',
      'no',
      '--save',
      '',
      '--dir',
      folder,
    ];
    redis = start(scene.server, ['redis-server', ...options]);
    await listening(scene.server.namespace, REDIS);
  });
  after(async () => {
    for (const nginx of nginxes) await nginx.stop();
    await redis?.stop();
    await scene?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const apply = (...ports: number[]) =>
    scene.apply([
      service('web', [VIP.web]),
      ...ports.map((port) => slice('web', port, [scene.addresses.b.ipv4])),
      service('store', [VIP.store], { ports: [{ name: 'web', port: REDIS }] }),
      slice('store', REDIS, [scene.addresses.b.ipv4]),
    ]);

  it('curl reaches nginx, and sees the address that it dialled', async () => {
    apply(WEB[1]!);
    const format = '%{remote_ip} %{remote_port} %{http_code}';
    const told = await run(scene.client, ['curl', '-s', '-w', format, `http://${VIP.web}/who`]);
    assert.equal(told, `web 8082\n${VIP.web} 80 200`);
  });

  it('curl is told at once that nobody is there', async () => {
    apply();
    const began = performance.now();
    await assert.rejects(run(scene.client, ['curl', '-sS', `http://${VIP.web}/`]), /Failed to connect/);
    assert.ok(performance.now() - began < 2000);
  });

  it('redis-cli stores and reads', async () => {
    apply(WEB[0]!);
    const command = (...words: string[]) => run(scene.client, ['redis-cli', '-h', VIP.store, ...words]);
    assert.equal(await command('set', 'key', 'value'), 'OK\n');
    assert.equal(await command('get', 'key'), 'value\n');
  });

  it('wrk loses no connection while backends come and go', async () => {
    apply(...WEB);
    const load = run(scene.client, ['wrk', '-t', '1', '-c', '48', '-d', '2s', `http://${VIP.web}/`]);
    let isRunning = true;
    const ended = load.finally(() => {
      isRunning = false;
    });
    let changes = 0;
    for (; isRunning; changes += 1) {
      apply(...WEB.filter((_, at) => at !== changes % 4));
      await Promise.race([sleep(10), ended]);
    }
    const told = await load;
    assert.doesNotMatch(told, /Socket errors|Non-2xx/, told);
    assert.match(told, /[1-9]\d* requests in/);
    assert.ok(changes > 20, `${changes} changes`);
  });
});
