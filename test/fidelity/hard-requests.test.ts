/** Request rows against the access log of nginx where bytes come late, twice, out of order, or on the listener. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { run } from '../../deploy/lab/program.ts';
import { whyNot } from '../support/flowspan.ts';
import { differences } from '../support/multiset.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';
import { logLine, requestRows, rowLine } from './request-rows.ts';

const LOSS = 0.03;

describe('request rows where TCP has a hard time', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;

  before(async () => {
    world = await createWorld();
  });

  after(async () => {
    await nginx?.stop();
    await world?.end();
  });

  /** Log and rows are the same, as far as they are of these paths. */
  async function equal(paths: RegExp): Promise<void> {
    await world.flowspan.settled();
    const log = nginx.accessLog().map(logLine);
    assert.ok(log.length > 0);
    for (const point of ['server', 'client'] as const) {
      const rows = (await requestRows(world, point)).filter(({ uri }) => paths.test(uri)).map(rowLine);
      assert.deepEqual(differences(log, rows), [], `seen from the ${point}`);
    }
    assert.deepEqual(await world.flowspan.losses(), []);
  }

  it(`are the lines of the log with ${LOSS * 100} % lost each way`, async () => {
    nginx = await startNginx(world.server);
    const { ipv4, ipv6 } = world.serverAddress;
    const ends = [world.client, world.server].map(({ namespace }) => loseAtRandom(namespace, LOSS));
    const files = [ipv4, `[${ipv6}]`].map((host) =>
      run(world.client, [
        'curl',
        '-s',
        '-o',
        '/dev/null',
        `http://${host}/static/100000.txt?[1-20]`,
        `http://${host}/static/1000000.txt?[1-3]`,
      ]),
    );
    const load = { url: `http://${ipv4}`, label: 'lossy', threads: 40, requestsPerThread: 25 };
    await runWrk(world.client, load, () => nginx.answered('/r/lossy/'));
    const fresh = { ...load, label: 'fresh', requestsPerThread: 5, close: true };
    await runWrk(world.client, fresh, () => nginx.answered('/r/fresh/'));
    await Promise.all(files);
    for (const end of ends) end();
    await equal(/^\/(static|r\/(lossy|fresh))\//);
  });

  it('are the lines of the log where first bytes come on the listener', async () => {
    await nginx.stop();
    nginx = await startNginx(world.server, { listen: 'deferred fastopen=256' });
    world.server.namespace.run('sysctl', '-qw', 'net.ipv4.tcp_fastopen=3');
    world.client.namespace.run('sysctl', '-qw', 'net.ipv4.tcp_fastopen=3');
    const { ipv4 } = world.serverAddress;
    const load = { url: `http://${ipv4}`, label: 'deferred', threads: 10, requestsPerThread: 200, close: true };
    await runWrk(world.client, load, () => nginx.answered('/r/deferred/'));
    for (let number = 0; number < 20; number += 1) {
      await run(world.client, [
        'curl',
        '-s',
        '--tcp-fastopen',
        '-o',
        '/dev/null',
        `http://${ipv4}/r/fastopen/${number}`,
      ]);
    }
    await equal(/^\/r\/(deferred|fastopen)\//);
  });
});
