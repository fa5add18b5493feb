/**
 * Pods that opted in, by label of their own and of their namespace, and a collector that first observes, then audits, then
 * redirects, is killed, and observes again, while they talk: no byte is lost, no connection is reset, and rows and counters
 * say what happened.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from '../../deploy/lab/namespace.ts';
import { listening, type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { script } from '../bpf/dataplane/redirect.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { RedirectScene, type ScenePod } from '../support/redirect_scene.ts';

const STREAM_PORT = 8080;
const REDIS_PORT = 6379;
/** A killed collector is started again, on a machine that is busy. */
const RESTART_MS = 60_000;

/** Something that is done again and again until it is told to end. */
class Load {
  count = 0;
  readonly failures: string[] = [];
  #isOver = false;
  readonly #ended: Promise<void>;

  constructor(once: () => Promise<unknown>) {
    this.#ended = this.#repeat(once);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
  }

  async #repeat(once: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      try {
        await once();
        this.count += 1;
      } catch (error) {
        this.failures.push((error as Error).message);
      }
    }
  }
}

describe('the redirect of a collector', { skip: whyNot() ?? false }, () => {
  let scene: RedirectScene;
  let client: ScenePod;
  let server: ScenePod;
  let nginx: Nginx;
  let host: string;
  const programs: Program[] = [];
  const loads: Load[] = [];

  before(async () => {
    scene = await RedirectScene.open();
    [client, server] = [scene.createPod('client'), scene.createPod('server')];
    const pair = connect(client.namespace, server.namespace);
    host = pair.b.ipv4;
    scene.tellNamespace('shop', { labels: { 'flowspan.io/redirect': 'sockmap' } });
    scene.tellNamespace('data');
    scene.tell('client', 'shop', [pair.a.ipv4, pair.a.ipv6]);
    scene.tell('server', 'data', [pair.b.ipv4, pair.b.ipv6], { labels: { 'flowspan.io/redirect': 'sockmap' } });
    nginx = await startNginx(server, { locations: 'location /ok { return 200 ok; }' });
    const redis = ['--port', String(REDIS_PORT), '--bind', '0.0.0.0', '--save', '', '--protected-mode', 'no'];
    programs.push(start(server, ['redis-server', ...redis]), start(server, script('stream.ts', 'serve', STREAM_PORT)));
    for (const port of [REDIS_PORT, STREAM_PORT]) await listening(server.namespace, port);
  });
  after(async () => {
    for (const load of loads) await load.end();
    for (const program of [...programs, nginx]) await program?.stop();
    await scene?.close();
  });

  const curl = (path: string): Promise<string> =>
    run(client, ['curl', '-sS', '-f', '-m', '20', `http://${host}${path}`]);
  const redirected = () => scene.connections('sockmap', 'redirected');
  const messages = () => scene.metric('flowspan_redirect_messages_total');

  it('is none where every step observes', async () => {
    await scene.goAsFar('observe');
    assert.deepEqual((await scene.status()).programs, []);
    assert.ok(!existsSync(join(scene.pinDir, 'dataplane')));
    const stream = async () =>
      assert.equal(await run(client, script('stream.ts', 'stream', host, STREAM_PORT, 4, 3_000_000, 0, 20)), '4\n');
    loads.push(new Load(stream), new Load(() => curl('/ok')));
    await eventually('some load', () => loads.every(({ count }) => count > 0), RESTART_MS);
  });

  it('counts what it would redirect where it audits', async () => {
    await scene.goAsFar('audit');
    await scene.hasEntries('redirect_cgroups', 2);
    await scene.hasEntries('redirect_addresses', 4);
    assert.deepEqual(await scene.complaints(), []);
    await eventually('connections', async () => (await scene.connections('sockmap', 'audited')) > 10);
    assert.deepEqual([await redirected(), await messages()], [0, 0]);
  });

  it('redirects where it enforces, and says so in the rows', async () => {
    await scene.goAsFar('enforce');
    await eventually('connections', async () => (await redirected()) > 10);
    assert.ok((await messages()) > 20);
    const counted = nginx.answered('/ok/enforced');
    for (let i = 0; i < 20; i += 1) await curl(`/ok/enforced?${i}`);
    assert.equal(nginx.answered('/ok/enforced') - counted, 20);
    const printed = await run(client, ['redis-benchmark', '-h', host, '-n', '5000', '-P', '8', '-q', '-t', 'set,get']);
    assert.match(printed, /GET.*requests per second/);
    await scene.collector.settled();
    const rows = await scene.collector.query<{ verdict: string; count: string }>(
      `SELECT toString(verdict) AS verdict, count() AS count FROM flows WHERE destination_port = ${REDIS_PORT} AND flow_state = 'closed' GROUP BY verdict`,
    );
    assert.deepEqual(
      rows.map(({ verdict }) => verdict),
      ['REDIRECTED'],
    );
    const requests = await scene.collector.query<{ point: string; count: string }>(
      `SELECT toString(observation_point) AS point, toString(count()) AS count FROM requests_named
       WHERE startsWith(http_path, '/ok/enforced') GROUP BY point ORDER BY point`,
    );
    assert.deepEqual(requests, [
      { point: 'client', count: '20' },
      { point: 'server', count: '20' },
    ]);
  });

  it('goes on while no collector is there, and with the next', async () => {
    const before = await messages();
    process.kill(scene.collector.pid('collector'), 'SIGKILL');
    await eventually(
      'the next collector',
      async () => {
        try {
          return (await messages()) > before;
        } catch {
          return false;
        }
      },
      RESTART_MS,
    );
    const connections = await redirected();
    await eventually('more connections', async () => (await redirected()) > connections + 5);
  });

  it('ends where it observes again', async () => {
    await scene.goAsFar('observe');
    const seen = loads.map(({ count }) => count);
    await eventually('more load', () => loads.every(({ count }, at) => count > seen[at]! + 1), RESTART_MS);
    assert.ok(!existsSync(join(scene.pinDir, 'dataplane')));
  });

  it('has lost no byte and no connection meanwhile', async () => {
    for (const load of loads) await load.end();
    assert.deepEqual(
      loads.flatMap(({ failures }) => failures),
      [],
    );
    assert.ok(nginx.accessLog().every(({ status }) => status === 200));
  });
});
