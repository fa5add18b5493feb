/** Request rows and nginx's access log say the same, line by line, seen from the server and from the client. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../deploy/lab/program.ts';
import { whyNot } from '../support/flowspan.ts';
import { differences } from '../support/multiset.ts';
import { type AccessLogEntry, type Nginx, STATIC_SIZES, startNginx } from '../support/nginx.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';
import { logLine, requestRows, rowLine } from './request-rows.ts';

const KEEP_ALIVE = { label: 'keep', threads: 10, requestsPerThread: 4_000 };
const NEW_CONNECTIONS = { label: 'fresh', threads: 10, requestsPerThread: 500, close: true };
/** Per curl and IP version, over one connection. */
const CURL_REQUESTS = 2_500;

describe('request rows against the access log of nginx', { skip: whyNot() ?? false }, () => {
  let world: World;
  let nginx: Nginx;
  let log: AccessLogEntry[];

  before(async () => {
    world = await createWorld();
    nginx = await startNginx(world.server);
    const { ipv4, ipv6 } = world.serverAddress;
    const hosts = [ipv4, `[${ipv6}]`];
    await runWrk(world.client, { url: `http://${ipv4}`, ...KEEP_ALIVE }, () => nginx.answered('/r/keep/'));
    await runWrk(world.client, { url: `http://[${ipv6}]`, ...NEW_CONNECTIONS }, () => nginx.answered('/r/fresh/'));
    for (const [index, host] of hosts.entries()) {
      await run(world.client, ['curl', '-s', '-o', '/dev/null', `http://${host}/r/curl${index}/[1-${CURL_REQUESTS}]`]);
      for (const options of specialRequests(host, nginx.folder)) {
        await run(world.client, ['curl', '-s', '-o', '/dev/null', ...options]);
      }
    }
    await world.flowspan.settled();
    log = nginx.accessLog();
  });

  after(async () => {
    await nginx?.stop();
    await world?.end();
  });

  for (const point of ['server', 'client'] as const) {
    it(`has one row per line, seen from the ${point}`, async () => {
      const found = await requestRows(world, point);
      assert.ok(log.length >= 50_000, `${log.length} requests`);
      assert.deepEqual(differences(log.map(logLine), found.map(rowLine)), []);
      const framed = (uri: string): boolean => uri.startsWith('/chunked/');
      assert.deepEqual(
        differences(
          log.filter(({ uri }) => !framed(uri)).map((entry) => `${entry.uri} ${bodyBytes(entry)}`),
          found.filter(({ uri }) => !framed(uri)).map(({ uri, body }) => `${uri} ${body}`),
        ),
        [],
        'body bytes',
      );
      const chunked = found.filter(({ uri, method }) => framed(uri) && method === 'GET');
      assert.ok(chunked.length > 0);
      for (const { uri, body } of chunked) assert.equal(uri, `/chunked/${body}.txt`, 'chunk framing is not body');
    });
  }

  it('lost nothing', async () => {
    assert.deepEqual(await world.flowspan.losses(), []);
  });
});

/** nginx counts its own `100 Continue` as body of the response that follows. */
function bodyBytes({ uri, body_bytes_sent }: AccessLogEntry): number {
  return uri === '/r/expect' ? body_bytes_sent - 'HTTP/1.1 100 Continue\r\n\r\n'.length : body_bytes_sent;
}

/** Arguments of curl, one request or a few each: what differs from a plain GET. */
function specialRequests(host: string, folder: string): string[][] {
  const body = join(folder, 'body.bin');
  writeFileSync(body, Buffer.alloc(300_000, 'b'));
  const url = (path: string): string => `http://${host}${path}`;
  return [
    STATIC_SIZES.map((size) => url(`/static/${size}.txt`)),
    STATIC_SIZES.slice(1).map((size) => url(`/chunked/${size}.txt`)),
    ['-I', ...STATIC_SIZES.map((size) => url(`/static/${size}.txt`)), url('/r/head')],
    ['-H', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT', url('/static/1000.txt'), url('/static/10000.txt')],
    ['-r', '100-199', url('/static/1000.txt')],
    [url('/empty'), url('/moved'), url('/broken'), url('/missing/a'), url('/empty')],
    ['--http1.0', url('/static/100000.txt')],
    ['--http1.0', url('/chunked/1000.txt')],
    ['-X', 'DELETE', url('/r/delete')],
    ['-X', 'OPTIONS', url('/r/options')],
    ['-d', 'small body', url('/r/post'), url('/r/post')],
    ['--data-binary', `@${body}`, url('/r/upload'), url('/r/upload')],
    ['-H', 'Expect: 100-continue', '--data-binary', `@${body}`, url('/r/expect')],
    [
      '-H',
      'Transfer-Encoding: chunked',
      '--data-binary',
      `@${body}`,
      url('/r/chunked-upload'),
      url('/r/chunked-upload'),
    ],
    ['-H', `X-Long: ${'y'.repeat(6_000)}`, url('/r/long-header')],
    [url('/')],
  ];
}
