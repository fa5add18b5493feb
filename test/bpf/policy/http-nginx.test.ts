/** What comes to nginx behind HTTP rules is what the rules allow, as nginx reads it: whatever bytes clients send, however they are cut. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { headOf, type Random } from '../../collector/policy/http/generate.ts';
import { streamOf } from '../../collector/policy/http/streams.ts';
import { type AccessLogEntry, type Nginx, startNginx } from '../../support/nginx.ts';
import { randomOf } from '../http/exchange.ts';
import { HttpScene } from './http_scene.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const STREAMS = Number(process.env.JUDGE_STREAMS ?? 1_500);
const DEFERRED_PORT = 8080;

/** What nginx has taken must fit one of these. */
const RULES = [
  { method: 'GET|POST|PUT', path: '/[02]' },
  { method: 'GET', path: '/a[a-z/]*', host: 'a|shop' },
];
const fits = ({ method, uri, host }: AccessLogEntry): boolean =>
  (/^(GET|POST|PUT)$/.test(method) && /^\/[02]$/.test(uri)) ||
  (method === 'GET' && /^\/a[a-z/]*$/.test(uri) && /^(a|shop)$/i.test(host));

const EVIL = 'GET /secret HTTP/1.1\r\nHost: shop\r\n\r\n';
const POST = 'POST /0 HTTP/1.1\r\nHost: shop\r\n';
const GET = 'GET /0 HTTP/1.1\r\nHost: shop\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const length = (bytes: number): string => `Content-Length: ${bytes}\r\n`;
/** Ways in which two readers of the same bytes were brought to disagree. */
const SMUGGLED: readonly string[] = [
  `${POST}${length(6)}${CHUNKED}\r\n0\r\n\r\n${EVIL}`,
  `${POST}${CHUNKED}${length(4)}\r\n5c\r\n${EVIL}`,
  `${POST}${length(0)}${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}${length(EVIL.length)}${length(0)}\r\n${EVIL}`,
  `${POST}Content-Length: +${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST}Content-Length: ${EVIL.length}, ${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST}Content-Length: 0x${EVIL.length.toString(16)}\r\n\r\n${EVIL}`,
  `${POST}Content-Length : ${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST} Content-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST}X: y\r\n Content-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST}X: y\n${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}X: y\r${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}Content_Length: ${EVIL.length}\r\n\r\n${EVIL}`,
  `${POST}Transfer-Encoding: xchunked\r\n${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${EVIL}`,
  `${POST}Transfer-Encoding:\tchunked\r\n${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}Transfer-Encoding : chunked\r\n${length(EVIL.length)}\r\n${EVIL}`,
  `${POST}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n${EVIL}`,
  `${POST.replace('1.1', '1.0')}${CHUNKED}\r\n0\r\n\r\n${EVIL}`,
  `${POST}${CHUNKED}\r\n2;\n${EVIL}`,
  `${POST}${CHUNKED}\r\n2;a="\r\n"\r\nab\r\n0\r\n\r\n${EVIL}`,
  `${POST}${CHUNKED}\r\nffffffffffffffff1\r\n${EVIL}`,
  `${POST}${CHUNKED}\r\n0\r\nX: y\r\n\r\n${EVIL}`,
  `${GET}${length(EVIL.length)}\r\n${EVIL}${EVIL}`,
  `${GET}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n${EVIL}`,
  `${GET}Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA\r\n\r\n${EVIL}`,
  `${GET}Expect: 100-continue\r\n${length(3)}\r\nabc${EVIL}`,
  `${GET}Host: other\r\n\r\n`,
  `${GET}\r\n\r\n${EVIL}`,
  `${GET}\r\n\n${EVIL}`,
  `GET http://shop/secret HTTP/1.1\r\nHost: shop\r\n\r\n`,
  `GET http://other/0 HTTP/1.1\r\nHost: shop\r\n\r\n`,
  'GET /0/../secret HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /a/%2e%2e/secret HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /a%2f..%2fsecret HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /a//b HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /%61 HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /secret\0/0 HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET\t/0 HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /0\tHTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /secret /0 HTTP/1.1\r\nHost: shop\r\n\r\n',
  'GET /secret\r\n\r\n',
  'GET /secret HTTP/0.9\r\n\r\n',
  '\r\nGET /secret HTTP/1.1\r\nHost: shop\r\n\r\n',
  'CONNECT shop:80 HTTP/1.1\r\nHost: shop\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

describe('HTTP rules before nginx', () => {
  let scene: HttpScene;
  let nginx: Nginx;
  let deferred: Nginx;
  before(async () => {
    scene = new HttpScene([80, DEFERRED_PORT]);
    const place = { namespace: scene.server, cgroup: scene.cgroup };
    nginx = await startNginx(place);
    deferred = await startNginx(place, { port: DEFERRED_PORT, listen: 'deferred' });
    scene.apply(RULES);
  });
  after(async () => {
    for (const each of [nginx, deferred]) await each?.stop();
    scene?.end();
  });

  /** Sends streams, each in some writes. @returns what nginx has taken as requests, and what the clients were told */
  async function send(streams: readonly (readonly string[])[], server: Nginx, port: number) {
    const before = server.accessLog().length;
    const command = [process.execPath, `${import.meta.dirname}/streams_client.ts`, scene.host.ipv4, String(port)];
    const client = start({ namespace: scene.client }, command, {}, 'pipe');
    client.process.stdin!.end(streams.map((writes) => JSON.stringify(writes)).join('\n'));
    await once(client.process, 'close');
    await eventually('the end of every connection', () => !/ESTAB|LAST|CLOS/.test(scene.server.run('ss', '-tanH')));
    // A head that broke off, or that nginx does not take for one, is answered with 400, or with nothing.
    const requests = server.accessLog().slice(before);
    return {
      requests: requests.filter(({ status }) => status !== 400),
      told: JSON.parse(client.output()) as { forbidden: number; reset: number; hung: number },
    };
  }

  function cut(random: Random, stream: string): string[] {
    const writes: string[] = [];
    for (let at = 0; at < stream.length; at += writes.at(-1)!.length)
      writes.push(stream.slice(at, at + 1 + random(random(3) === 0 ? 30 : 400)));
    return writes.length > 0 ? writes : [''];
  }

  for (const port of [80, DEFERRED_PORT])
    it(`nothing is smuggled in, to port ${port}`, async (t) => {
      const random = randomOf(SEED * 11_000_000 + port);
      const streams = SMUGGLED.flatMap((stream) => [[stream], [`${GET}\r\n${stream}`], cut(random, stream)]);
      const { requests, told } = await send(streams, port === 80 ? nginx : deferred, port);
      assert.deepEqual(
        requests.filter((request) => !fits(request)),
        [],
      );
      assert.ok(requests.length >= SMUGGLED.length, 'what went before was let by');
      assert.equal(told.hung, 0);
      t.diagnostic(`${streams.length} streams, ${requests.length} requests let by, ${JSON.stringify(told)}`);
    });

  it('whatever bytes come', async (t) => {
    const random = randomOf(SEED * 13_000_000);
    const streams = Array.from({ length: STREAMS }, () => {
      const stream = random(2) === 0 ? streamOf(random) : headOf(random) + streamOf(random);
      return random(2) === 0 ? [stream] : cut(random, stream);
    });
    const { requests, told } = await send(streams, nginx, 80);
    assert.deepEqual(
      requests.filter((request) => !fits(request)),
      [],
    );
    assert.ok(requests.length > STREAMS / 10, `${requests.length}`);
    assert.ok(told.forbidden > STREAMS / 10, JSON.stringify(told));
    assert.equal(told.hung, 0);
    t.diagnostic(`${streams.length} streams, ${requests.length} requests let by, ${JSON.stringify(told)}`);
  });

  it('denies what nginx would have taken', async () => {
    scene.apply(undefined);
    const { requests } = await send(
      SMUGGLED.map((stream) => [stream]),
      nginx,
      80,
    );
    assert.ok(requests.filter((request) => !fits(request)).length > 5, 'without rules some of it does come in');
  });
});
