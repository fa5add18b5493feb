/** Traces of requests that nobody gave one: what the two ends of a connection make of it without a word between them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { run } from '../../deploy/lab/program.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';

const TRACE = { id: '0af7651916cd43dd8448eb211c80319c', parent: 'b7ad6b7169203331' };
const LOSS = 0.03;

interface Pair {
  readonly path: string;
  readonly clients: string;
  readonly servers: string;
  /** Whether five minutes ended between the two: then each end has a trace of its own. */
  readonly parted: number;
  readonly traces: readonly string[];
  readonly client_span: string;
  readonly client_parent: string;
  readonly server_parent: string;
  readonly peers_observed: string;
  readonly destinations: string;
}

/** Makes `router` stand between client and server: its address on the client's side is the server's, its own the client's. */
function translate(router: Namespace, world: World): string {
  const outside = connect(world.client.namespace, router).b.ipv4;
  const inside = connect(router, world.server.namespace).b.ipv4;
  router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  const nat = (...rule: string[]) => router.run('iptables', '-t', 'nat', '-A', ...rule);
  nat('PREROUTING', '-p', 'tcp', '-d', outside, '--dport', '80', '-j', 'DNAT', '--to-destination', `${inside}:80`);
  nat('POSTROUTING', '-p', 'tcp', '-d', inside, '-j', 'MASQUERADE');
  return outside;
}

describe('the two ends of a request', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;
  let router: Namespace;
  let translated: string;

  before(async () => {
    world = await createWorld();
    router = createNamespace();
    translated = translate(router, world);
    nginx = await startNginx(world.server);
  });

  after(async () => {
    await nginx?.stop();
    await world?.end();
    router?.remove();
  });

  /** What both ends say of each path that begins so; each path is asked for once. */
  async function pairs(prefix: string, count: number): Promise<Pair[]> {
    await world.flowspan.settled();
    const found = await world.flowspan.query<Pair>(`
      SELECT s.path AS path, countIf(s.kind = 'Client') AS clients, countIf(s.kind = 'Server') AS servers,
        uniqExact(toStartOfFiveMinutes(s.end)) > 1 AS parted, groupUniqArray(s.TraceId) AS traces,
        anyIf(s.SpanId, s.kind = 'Client') AS client_span, anyIf(s.ParentSpanId, s.kind = 'Client') AS client_parent,
        anyIf(s.ParentSpanId, s.kind = 'Server') AS server_parent, countIf(s.peer = 'true') AS peers_observed,
        uniqExact(s.destination) AS destinations
      FROM (
        SELECT *, SpanKind AS kind, Timestamp + toIntervalNanosecond(Duration) AS end,
          SpanAttributes['flowspan.peer_observed'] AS peer, SpanAttributes['flowspan.destination'] AS destination,
          if(SpanKind = 'Client', path(SpanAttributes['url.full']), SpanAttributes['url.path']) AS path
        FROM otel_traces) AS s
      WHERE startsWith(path, '${prefix}') GROUP BY path`);
    assert.equal(found.length, count);
    assert.deepEqual(await world.flowspan.losses(), []);
    return found;
  }

  /** One trace per request, the server's span under the client's. */
  function assertJoined(found: readonly Pair[]): void {
    const whole = found.filter(({ parted }) => Number(parted) === 0);
    assert.ok(whole.length >= found.length / 2, 'five minutes end once');
    for (const pair of whole) {
      assert.equal(pair.traces.length, 1, `${pair.path}: one trace`);
      assert.equal(pair.server_parent, pair.client_span, pair.path);
    }
    for (const pair of found) {
      const counts = [pair.clients, pair.servers, pair.peers_observed, pair.destinations, pair.client_parent];
      assert.deepEqual(counts.map(String), ['1', '1', '2', '1', ''], pair.path);
    }
    assert.equal(new Set(found.flatMap(({ traces }) => traces)).size >= found.length, true, 'no trace of two requests');
  }

  const curl = (...args: string[]) => run(world.client, ['curl', '-sS', '-o', '/dev/null', ...args]);

  async function load(label: string, host: string): Promise<void> {
    const wrk = { url: `http://${host}`, threads: 8 };
    await runWrk(world.client, { ...wrk, label: `${label}/kept`, requestsPerThread: 25 }, () =>
      nginx.answered(`/r/${label}/kept/`),
    );
    await runWrk(world.client, { ...wrk, label: `${label}/fresh`, requestsPerThread: 5, close: true }, () =>
      nginx.answered(`/r/${label}/fresh/`),
    );
  }

  it('make one trace of a single curl, kept connections and new ones', async () => {
    for (let number = 0; number < 10; number += 1) await curl(`http://${world.serverAddress.ipv4}/r/curl/${number}/0`);
    await curl(`http://[${world.serverAddress.ipv6}]/r/curl/[10-19]/0`);
    await load('direct', world.serverAddress.ipv4);
    assertJoined(await pairs('/r/curl/', 20));
    assertJoined(await pairs('/r/direct/', 8 * 30));
  });

  it('do so behind a router that translates both addresses', async () => {
    for (let number = 0; number < 10; number += 1) await curl(`http://${translated}/r/nat/${number}/0`);
    await load('behind', translated);
    const found = await pairs('/r/nat/', 10);
    assertJoined(found);
    assertJoined(await pairs('/r/behind/', 8 * 30));
    const [shown] = await world.flowspan.query<{ client: string; server: string }>(`
      SELECT anyIf(toString(destination_address), observation_point = 'client') AS client,
        anyIf(toString(destination_address), observation_point = 'server') AS server
      FROM requests WHERE http_path = '/r/nat/0/0'`);
    assert.notEqual(shown!.client, shown!.server, 'the addresses were translated');
  });

  it(`do so with ${LOSS * 100} % of the packets lost each way`, async () => {
    const ends = [world.client, world.server].map(({ namespace }) => loseAtRandom(namespace, LOSS));
    await load('lossy', translated);
    for (const end of ends) end();
    assertJoined(await pairs('/r/lossy/', 8 * 30));
  });

  it('have the parent that a traceparent names', async () => {
    const header = `traceparent: 00-${TRACE.id}-${TRACE.parent}-01`;
    for (const [number, host] of [world.serverAddress.ipv4, translated].entries()) {
      await curl('-H', header, `http://${host}/r/traced/${number}/0`);
    }
    for (const pair of await pairs('/r/traced/', 2)) {
      assert.deepEqual(pair.traces, [TRACE.id]);
      assert.deepEqual([pair.client_parent, pair.server_parent], [TRACE.parent, TRACE.parent]);
    }
  });
});
