/** Request rows and nginx's access log say the same, line by line, seen from the server and from the client. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import { differences } from '../support/multiset.ts';
import { type AccessLogEntry, type Nginx, STATIC_SIZES, startNginx } from '../support/nginx.ts';
import { run } from '../support/program.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';

const KEEP_ALIVE = { label: 'keep', threads: 10, requestsPerThread: 4_000 };
const NEW_CONNECTIONS = { label: 'fresh', threads: 10, requestsPerThread: 500, close: true };
/** Per curl and IP version, over one connection. */
const CURL_REQUESTS = 2_500;

interface RequestRow {
  method: string;
  path: string;
  query: string;
  status: string;
  body: string;
  bytes: string;
}

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
    const { client, server } = world;
    await world.flowspan.settled(
      `SELECT count() AS count FROM requests WHERE netns IN (${client.namespace.inode}, ${server.namespace.inode})`,
    );
    log = nginx.accessLog();
  });

  after(async () => {
    await nginx?.stop();
    await world?.end();
  });

  async function rows(point: 'client' | 'server'): Promise<RequestRow[]> {
    return world.flowspan.query<RequestRow>(`
      SELECT operation AS method, http_path AS path, http_query AS query, status,
        toString(response_body_bytes) AS body, toString(response_bytes) AS bytes
      FROM requests
      WHERE netns = ${world[point].namespace.inode} AND observation_point = '${point}' AND destination_port = 80`);
  }

  for (const point of ['server', 'client'] as const) {
    it(`has one row per line, seen from the ${point}`, async () => {
      const found = await rows(point);
      assert.ok(log.length >= 50_000, `${log.length} requests`);
      const line = (method: string, uri: string, status: string | number, bytes: string | number): string =>
        `${method} ${uri} ${status} ${bytes}`;
      assert.deepEqual(
        differences(
          log.map((entry) => line(entry.method, entry.uri, entry.status, entry.bytes_sent)),
          found.map(({ method, path, query, status, bytes }) =>
            line(method, query === '' ? path : `${path}?${query}`, status, bytes),
          ),
        ),
        [],
      );
      const framed = (uri: string): boolean => uri.startsWith('/chunked/');
      assert.deepEqual(
        differences(
          log.filter(({ uri }) => !framed(uri)).map((entry) => line('', entry.uri, '', bodyBytes(entry))),
          found
            .filter(({ path }) => !framed(path))
            .map(({ path, query, body }) => line('', query === '' ? path : `${path}?${query}`, '', body)),
        ),
        [],
        'body bytes',
      );
      const chunked = found.filter(({ path, method }) => framed(path) && method === 'GET');
      assert.ok(chunked.length > 0);
      for (const { path, body } of chunked) assert.equal(path, `/chunked/${body}.txt`, 'chunk framing is not body');
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
