/** Requests that go past TCP are told as those that go through it: once at each end, and as the server's own log has them. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { listening, type Program, run } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../../support/flowspan.ts';
import { startNginx } from '../../support/nginx.ts';
import { runWrk } from '../../support/wrk.ts';
import { ask, type Step, serve } from '../http/scripted.ts';
import { RequestWatcher, type Seen } from '../http/watch.ts';
import { createRedirect, IN_TCP, NO_PEER, OPTED_OUT, REDIRECTED, type Redirect, UNREAD } from './redirect.ts';

const POINTS = ['client', 'server'];
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const get = (target: string): Step => ['send', `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`];
const answered: Step = ['until', 'ok'];

describe('redirected requests', () => {
  let redirect: Redirect;
  let watcher: RequestWatcher;
  let server: Program | undefined;
  let port = 8000;
  let folder: string;

  before(() => {
    redirect = createRedirect();
    watcher = watch();
    folder = temporaryFolder();
  });
  beforeEach(() => redirect.optIn('client', 'server'));
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });
  after(() => {
    watcher.close();
    redirect.end();
  });

  const watch = () =>
    new RequestWatcher(redirect.cgroup, { shared: { path: (map) => redirect.dataplane.map(map), redirects: true } });

  /** Starts a server for one test. */
  async function answering(script: readonly Step[]): Promise<void> {
    port += 1;
    server = serve(redirect.server, port, script);
    await listening(redirect.server.namespace, port);
  }

  const asking = (script: readonly Step[]) => ask(redirect.client, redirect.host.ipv4, port, script);

  /** A server that answers `count` requests that end in an empty line, and closes. */
  const answerEach = (count: number): Step[] => [
    ...Array.from({ length: count }, (): Step[] => [
      ['until', '\r\n\r\n'],
      ['send', OK],
    ]).flat(),
    ['end'],
  ];

  const told = (rows: readonly Seen[], point: string): string[] =>
    rows
      .filter((row) => row.point === point)
      .map(({ index, target, status, end, verdict }) => `${index} ${target} ${status} ${end} ${verdict}`);

  /** Both ends tell these and no others, by the same numbers, and no two by the same. */
  async function expectAtBothEnds(prefix: string, lines: readonly string[]): Promise<Seen[]> {
    const rows = await watcher.wait(prefix, lines.length * 2);
    for (const point of POINTS) assert.deepEqual(told(rows, point), lines, point);
    const named = POINTS.map((point) =>
      rows.filter((row) => row.point === point).map((row) => `${row.requestSequence}/${row.responseSequence}`),
    );
    assert.deepEqual(named[0], named[1]);
    assert.equal(new Set(named[0]?.map((name) => name.split('/')[0])).size, lines.length);
    return rows;
  }

  it('are those of the access log, whatever asks for them', async () => {
    const nginx = await startNginx(redirect.server, {
      workers: 2,
      locations: 'location /past/files/ { rewrite ^/past/files(.*) /static$1 last; }',
    });
    const { ipv4, ipv6 } = redirect.host;
    const curl = (...words: string[]) => run(redirect.client, ['curl', '-sS', '-o', '/dev/null', ...words]);
    const counted = redirect.counting();
    await curl(`http://${ipv4}/past/first`, '-o', '/dev/null', `http://${ipv4}/past/second`);
    await curl(`http://[${ipv6}]/past/files/1000000.txt`, '-o', '/dev/null', `http://[${ipv6}]/past/files/100.txt`);
    await curl('-I', `http://${ipv4}/past/head`);
    const load = { url: `http://${ipv4}`, label: 'past', threads: 8, requestsPerThread: 250, pauseMs: 0 };
    await runWrk(redirect.client, load, () => nginx.answered('/r/past/'));
    const stops = counted().stops;
    assert.ok(stops[REDIRECTED]! > 4000, `${stops}`);
    const log = nginx.accessLog().filter(({ uri }) => uri.startsWith('/past/') || uri.startsWith('/r/past/'));
    await nginx.stop();
    const rows = await eventually('a row of each at both ends', () => {
      const seen = [...watcher.seen('/past/'), ...watcher.seen('/r/past/')];
      return seen.length >= 2 * log.length && seen;
    });
    const logged = log.map((entry) =>
      [
        entry.remote_port,
        entry.method,
        entry.uri,
        entry.host,
        entry.status,
        entry.request_length,
        entry.bytes_sent,
      ].join(),
    );
    for (const point of POINTS) {
      const seen = rows
        .filter((row) => row.point === point)
        .map((row) =>
          [row.clientPort, row.method, row.target, row.host, row.status, row.requestBytes, row.responseBytes].join(),
        );
      assert.deepEqual(seen.sort(), logged.sort(), point);
    }
    for (const row of rows) assert.deepEqual([row.verdict, row.srttUs, row.end], ['redirected', 0, 'complete']);
  });

  it('say when the application has read each', async () => {
    await answering([['wait', 50], ...answerEach(2)]);
    await asking([get('/read/a'), answered, get('/read/b'), answered]);
    const rows = await expectAtBothEnds('/read/', [
      '0 /read/a 200 complete redirected',
      '1 /read/b 200 complete redirected',
    ]);
    for (const { point, readNs, durationNs } of rows) {
      if (point === 'server') assert.ok(readNs > 0 && readNs < durationNs, `${readNs} of ${durationNs}`);
      else assert.equal(readNs, 0);
    }
  });

  it('are told when they were sent byte by byte', async () => {
    await answering(answerEach(1));
    await asking([['bytes', 'PUT /bytes/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n'], answered]);
    await expectAtBothEnds('/bytes/', ['0 /bytes/x 200 complete redirected']);
  });

  it('are told when they were sent before the answers', async () => {
    const count = 40;
    await answering(answerEach(count));
    const all = Array.from({ length: count }, (_, i) => `GET /pipelined/${i} HTTP/1.1\r\n\r\n`).join('');
    await asking([['send', all]]);
    await expectAtBothEnds(
      '/pipelined/',
      Array.from({ length: count }, (_, i) => `${i} /pipelined/${i} 200 complete redirected`),
    );
  });

  it('are told where the close ends the answer', async () => {
    await answering([
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 200 OK\r\n\r\n'],
      ['wait', 20],
      ['many', 'until the close ', 10_000],
      ['end'],
    ]);
    await asking([get('/close/a')]);
    const rows = await expectAtBothEnds('/close/', ['0 /close/a 200 complete redirected']);
    for (const { responseBodyBytes } of rows) assert.equal(responseBodyBytes, 160_000);
  });

  it('are told as far as they went when an end dies', async () => {
    const half = 'POST /half/request HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf';
    await answering([['until', 'half'], ['wait', 20], ['reset']]);
    await asking([['send', half]]);
    const rows = await expectAtBothEnds('/half/request', ['0 /half/request 0 connection_reset redirected']);
    for (const { requestBodyBytes } of rows) assert.equal(requestBodyBytes, 4);
    await server?.stop();
    await answering([
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
      ['wait', 20],
      ['end'],
    ]);
    await asking([get('/half/response')]);
    const cut = await expectAtBothEnds('/half/response', ['0 /half/response 200 connection_closed redirected']);
    for (const { responseBodyBytes } of cut) assert.equal(responseBodyBytes, 4);
  });

  it('go on where TCP takes over', async () => {
    const body = 3_000_000;
    const go = join(folder, 'go');
    rmSync(go, { force: true });
    await answering([['file', go], ['until', 'last\r\n\r\n'], ['send', OK], ...answerEach(2)]);
    const counted = redirect.counting();
    const put = `PUT /over/a HTTP/1.1\r\nHost: h\r\nContent-Length: ${body}\r\n\r\n`;
    // What nobody has read is more than may lie past TCP.
    const asked = asking([
      ['send', put],
      ['many', '0123456789', (body - 8) / 10],
      ['send', 'last\r\n\r\n'],
      answered,
      get('/over/b'),
      answered,
      ['bytes', 'GET /over/c HTTP/1.1\r\nHost: h\r\n\r\n'],
      answered,
    ]);
    await eventually('TCP', () => counted().stops[UNREAD] === 1);
    writeFileSync(go, '');
    await asked;
    const rows = await expectAtBothEnds('/over/', [
      '0 /over/a 200 complete redirected',
      '1 /over/b 200 complete redirected',
      '2 /over/c 200 complete redirected',
    ]);
    for (const { target, requestBytes } of rows)
      if (target === '/over/a') assert.equal(requestBytes, put.length + body);
  });

  it('go on in the middle of a head, and in a body, where the ends opt out', async () => {
    await answering([['until', '\r\n\r\n'], ['send', OK], ['until', 'there'], ['send', OK], ...answerEach(1)]);
    const counted = redirect.counting();
    const out = join(folder, 'out');
    rmSync(out, { force: true });
    const asked = asking([
      get('/out/a'),
      answered,
      ['send', 'POST /out/b HT'],
      ['file', out],
      ['send', 'TP/1.1\r\nContent-Length: 10\r\n\r\nhalf '],
      ['wait', 20],
      ['send', 'there'],
      answered,
      get('/out/c'),
      answered,
    ]);
    await eventually('half a head', () => counted().stops[REDIRECTED]! >= 3);
    redirect.optIn();
    writeFileSync(out, '');
    await asked;
    assert.equal(counted().stops[OPTED_OUT], 2);
    const rows = await expectAtBothEnds('/out/', [
      '0 /out/a 200 complete redirected',
      '1 /out/b 200 complete redirected',
      '2 /out/c 200 complete forwarded',
    ]);
    for (const { point, target, srttUs, readNs } of rows) {
      assert.equal(srttUs > 0, target === '/out/c');
      assert.equal(readNs > 0, point === 'server');
    }
  });

  it('are told where only the answers go past TCP', async () => {
    const deferred = await startNginx(redirect.server, { port: 81, listen: 'deferred' });
    const counted = redirect.counting();
    const url = (name: string) => `http://${redirect.host.ipv4}:81/deferred/${name}`;
    await run(redirect.client, ['curl', '-sS', url('a'), url('b')]);
    const { stops } = counted();
    assert.deepEqual([stops[NO_PEER], stops[REDIRECTED], stops[IN_TCP]], [1, 2, 0]);
    await expectAtBothEnds('/deferred/', [
      '0 /deferred/a 200 complete redirected',
      '1 /deferred/b 200 complete redirected',
    ]);
    await deferred.stop();
  });

  for (const ends of [['client', 'server'], ['server']] as const)
    it(`are told from the next that starts for certain, where the reader comes late: ${ends.join(' and ')}`, async () => {
      watcher.close();
      const late = join(folder, 'late');
      rmSync(late, { force: true });
      await answering(answerEach(4));
      const counted = redirect.counting();
      const asked = asking([
        get('/late/a'),
        answered,
        ['file', late],
        get('/late/b'),
        answered,
        get('/late/c'),
        answered,
        get('/late/d'),
        answered,
      ]);
      await eventually('an answer', () => counted().stops[REDIRECTED]! >= 2);
      redirect.optIn(...ends);
      watcher = watch();
      watcher.adopt();
      writeFileSync(late, '');
      await asked;
      // With the first it is learned which way the last payload went.
      await expectAtBothEnds('/late/', ['0 /late/c 200 complete redirected', '1 /late/d 200 complete redirected']);
      assert.equal(watcher.discarded('stream_gap'), 0);
    });

  it('are nothing that is none', async () => {
    await answering([['until', 'hello'], ['send', 'GET /none/a HTTP/1.1\r\n\r\n'], ['end']]);
    await asking([['send', '\x16\x03\x01 hello']]);
    await eventually('its end', () => watcher.carried(port).join() === 'tls,tls');
    assert.deepEqual(watcher.seen('/none/'), []);
    for (const reason of ['stream_gap', 'malformed_http', 'http_storage', 'pipeline_depth'] as const)
      assert.equal(watcher.discarded(reason), 0, reason);
  });
});
