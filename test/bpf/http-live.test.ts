/** Requests on real sockets, seen at both ends: beginnings, ends and everything that is no request. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Program, run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { startNginx } from '../support/nginx.ts';
import { ask, type Step, serve, startAsking } from './http/scripted.ts';
import { RequestWatcher, type Seen } from './http/watch.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const POINTS = ['client', 'server'];

const get = (target: string): Step => ['send', `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`];
const answered: Step = ['until', 'ok'];

const notEmpty = (labels: string[]) => labels.length > 1 && labels;

describe('requests on the wire', () => {
  let cgroup: Cgroup;
  let namespaces: Namespace[];
  let host: string;
  let watcher: RequestWatcher;
  let port = 8000;
  let server: Program | undefined;

  before(() => {
    cgroup = createCgroup();
    namespaces = [createNamespace(), createNamespace()];
    host = connect(namespaces[0] as Namespace, namespaces[1] as Namespace).b.ipv4;
    watcher = new RequestWatcher(cgroup);
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });
  after(() => {
    watcher.close();
    for (const namespace of namespaces) namespace.remove();
    cgroup.remove();
  });

  const client = () => ({ namespace: namespaces[0] as Namespace, cgroup });
  const place = () => ({ namespace: namespaces[1] as Namespace, cgroup });

  /** Starts a server for one test. */
  async function answering(script: readonly Step[]): Promise<void> {
    port += 1;
    server = serve(place(), port, script);
    await listening(namespaces[1] as Namespace, port);
  }

  /** A server that answers `count` requests that end in an empty line, and closes. */
  const answerEach = (count: number): Step[] => [
    ...Array.from({ length: count }, (): Step[] => [
      ['until', '\r\n\r\n'],
      ['send', OK],
    ]).flat(),
    ['end'],
  ];

  /** Both ends' rows, one line each: what both must tell alike. */
  const told = (rows: readonly Seen[], point: string): string[] =>
    rows
      .filter((row) => row.point === point)
      .map(({ index, target, status, end }) => `${index} ${target} ${status} ${end}`);

  /** Both ends name each request by the same two sequence numbers, and no two alike. */
  function assertSameNumbers(rows: readonly Seen[]): void {
    const named = (point: string) =>
      rows
        .filter((row) => row.point === point)
        .map(({ target, requestSequence, responseSequence }) => `${target} ${requestSequence}/${responseSequence}`);
    const [client, server] = POINTS.map((point) => named(point).sort());
    assert.deepEqual(client, server);
    assert.equal(new Set(client!.map((name) => name.split(' ')[1])).size, client!.length);
  }

  async function expectAtBothEnds(prefix: string, lines: readonly string[]): Promise<Seen[]> {
    const rows = await watcher.wait(prefix, lines.length * 2);
    for (const point of POINTS) assert.deepEqual(told(rows, point), lines, point);
    assertSameNumbers(rows);
    return rows;
  }

  it('are told one by one on a connection that is kept', async () => {
    await answering(answerEach(3));
    await ask(client(), host, port, [get('/keep/a'), answered, get('/keep/b'), answered, get('/keep/c'), answered]);
    const rows = await expectAtBothEnds(
      '/keep/',
      ['a', 'b', 'c'].map((name, i) => `${i} /keep/${name} 200 complete`),
    );
    for (const { point, readNs, durationNs } of rows) {
      if (point === 'server') assert.ok(readNs > 0 && readNs < durationNs);
      else assert.equal(readNs, 0);
    }
  });

  it('are told when they were sent byte by byte', async () => {
    await answering(answerEach(1));
    await ask(client(), host, port, [
      ['bytes', 'PUT /bytes/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n'],
      answered,
    ]);
    await expectAtBothEnds('/bytes/', ['0 /bytes/x 200 complete']);
  });

  it('are told when they were sent before the answers', async () => {
    const count = 40;
    await answering(answerEach(count));
    const all = Array.from({ length: count }, (_, i) => `GET /pipelined/${i} HTTP/1.1\r\n\r\n`).join('');
    await ask(client(), host, port, [['send', all]]);
    await expectAtBothEnds(
      '/pipelined/',
      Array.from({ length: count }, (_, i) => `${i} /pipelined/${i} 200 complete`),
    );
  });

  it('stay without an answer when the connection ends', async () => {
    await answering([['until', '\r\n\r\n'], ['end']]);
    await ask(client(), host, port, [get('/unanswered/closed'), ['end']]);
    await expectAtBothEnds('/unanswered/closed', ['0 /unanswered/closed 0 connection_closed']);
    await ask(client(), host, port, [['send', 'GET /unanswered/half HTTP/1.1\r\nX'], ['wait', 20], ['reset']]);
    await expectAtBothEnds('/unanswered/half', ['0 /unanswered/half 0 connection_reset']);
  });

  it('are none before their first line is whole', async () => {
    await answering([['until', 'HTT'], ['end']]);
    await ask(client(), host, port, [['send', 'GET /nothing/x HTT'], ['end']]);
    await sleep(200);
    assert.deepEqual(watcher.seen('/nothing/'), []);
  });

  it('end where another protocol takes over', async () => {
    await answering([
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
      ['until', '\r\n\r\n'],
      ['send', OK],
      ['end'],
    ]);
    await ask(client(), host, port, [get('/upgrade/a'), ['until', '\r\n\r\n'], get('/upgrade/b'), answered]);
    await expectAtBothEnds('/upgrade/', ['0 /upgrade/a 101 upgraded']);
  });

  it('go on after a tunnel that was refused, and end in one that was not', async () => {
    await answering([
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'],
      ['until', '\r\n\r\n'],
      ['send', 'HTTP/1.1 200 Yes\r\n\r\n'],
      ['until', '\r\n\r\n'],
      ['send', OK],
      ['end'],
    ]);
    const tunnel: Step = ['send', 'CONNECT tunnel.example:443 HTTP/1.1\r\n\r\n'];
    await ask(client(), host, port, [
      tunnel,
      ['until', '\r\n\r\n'],
      tunnel,
      ['until', '\r\n\r\n'],
      get('/in'),
      answered,
    ]);
    await expectAtBothEnds('tunnel.example', [
      '0 tunnel.example:443 407 complete',
      '1 tunnel.example:443 200 upgraded',
    ]);
    assert.deepEqual(watcher.seen('/in'), []);
  });

  it('have a body that lasts until the close', async () => {
    const body = 'b'.repeat(60_000);
    await answering([
      ['until', '\r\n\r\n'],
      ['send', `HTTP/1.0 200 OK\r\n\r\n${body}`],
      ['wait', 20],
      ['send', 'end'],
      ['end'],
    ]);
    await ask(client(), host, port, [['send', 'GET /close/x HTTP/1.0\r\n\r\n']]);
    const rows = await expectAtBothEnds('/close/', ['0 /close/x 200 complete']);
    for (const row of rows) {
      assert.deepEqual([row.version, row.responseBodyBytes], [10, body.length + 3]);
      assert.ok(row.durationNs > 15e6, 'the last byte counts');
    }
  });

  it('are found on a connection that was joined in the middle', async () => {
    const rounds = 8;
    const gate = join(mkdtempSync(join(tmpdir(), 'flowspan-http-')), 'joined');
    watcher.close();
    await answering(answerEach(rounds));
    const asked = Array.from({ length: rounds }, (_, i): Step[] => [get(`/joined/${i}`), answered, ['wait', 20]]);
    const asking = startAsking(
      client(),
      host,
      port,
      [...asked.slice(0, 2), [['file', gate]], ...asked.slice(2)].flat() as Step[],
    );
    await sleep(1000);
    watcher = new RequestWatcher(cgroup);
    watcher.adopt();
    writeFileSync(gate, '');
    await eventually('the end of the connection', () => asking.process.exitCode !== null, 20_000);
    rmSync(dirname(gate), { recursive: true });
    // Whether the first that is seen follows an answer can be told only from the second on.
    const rows = await watcher.wait('/joined/', (rounds - 3) * 2);
    for (const point of POINTS) {
      const targets = rows.filter((row) => row.point === point).map(({ target }) => Number(target.split('/')[2]));
      assert.ok(targets.length >= rounds - 3, `${point}: ${targets}`);
      assert.deepEqual(
        targets,
        targets.map((_, i) => rounds - targets.length + i),
        'each of the last',
      );
    }
    assert.ok(rows.every(({ status, end }) => status === 200 && end === 'complete'));
    assertSameNumbers(rows.filter(({ target }) => Number(target.split('/')[2]) >= 3));
  });

  it('are read again behind one that no reader may interpret', async () => {
    await answering(answerEach(4));
    const ambiguous: Step = ['send', 'GET /anew/b HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'];
    const malformed = watcher.discarded('malformed_http');
    await ask(client(), host, port, [
      ...[get('/anew/a'), answered, ambiguous, answered, get('/anew/c'), answered, get('/anew/d'), answered],
    ]);
    await expectAtBothEnds(
      '/anew/',
      ['a', 'b', 'c', 'd'].map((name, i) => `${i} /anew/${name} 200 complete`),
    );
    assert.equal(watcher.discarded('malformed_http'), malformed + 2);
  });

  it('have heads of any size', async () => {
    await answering([['until', '\r\n\r\n'], ['send', OK], ['end']]);
    const line = `X-Line: ${'x'.repeat(100)}\r\n`;
    const head = `GET /heads/${'t'.repeat(2000)} HTTP/1.1\r\nHost: first\r\n`;
    await ask(client(), host, port, [['send', head], ['many', line, 10_000], ['send', '\r\n'], answered]);
    for (const row of await watcher.wait('/heads/', 2)) {
      assert.deepEqual([row.host, row.truncated, row.status, row.end], ['first', true, 200, 'complete']);
      assert.equal(row.requestBytes, head.length + line.length * 10_000 + 2);
      assert.ok(row.target.length > 500);
    }
  });

  it('are not looked for in a line without an end', async () => {
    await answering([['wait', 300], ['end']]);
    watcher.carried(port);
    await ask(client(), host, port, [['many', 'A', 200_000], ['wait', 50], ['end']]);
    assert.deepEqual(await eventually('the flows', () => notEmpty(watcher.carried(port))), ['other', 'other']);
  });

  it('begin with bytes that arrive on the listener', async () => {
    const nginx = await startNginx(place(), {
      listen: 'deferred',
      locations: 'location /deferred/ { return 200 ok; }',
    });
    for (let i = 0; i < 20; i += 1)
      await run(client(), ['curl', '-sS', `http://${host}/deferred/${i}/a`, `http://${host}/deferred/${i}/b`]);
    const rows = await watcher.wait('/deferred/', 80);
    assert.equal(watcher.discarded('listener_data'), 0);
    for (const point of POINTS)
      assert.deepEqual(
        told(rows, point),
        Array.from({ length: 20 }, (_, i) => [
          `0 /deferred/${i}/a 200 complete`,
          `1 /deferred/${i}/b 200 complete`,
        ]).flat(),
      );
    assertSameNumbers(rows);
    await nginx.stop();
  });

  for (const [protocol, first] of [
    ['http2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['tls', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
    ['other', '*1\r\n$4\r\nPING\r\n'],
    ['other', 'EHLO example.org\r\n'],
    ['other', 'GET / HTTP/1.1.1\r\n\r\n'],
    ['other', '\0\x01\x02\x03'],
    ['http1', 'GET /protocol/x HTTP/1.1\r\n\r\n'],
    ['empty', ''],
  ] as const)
    it(`are not confused with ${JSON.stringify(first)}: ${protocol}`, async () => {
      await answering([['wait', 20], ['end']]);
      watcher.carried(port);
      await ask(client(), host, port, [...(first === '' ? [] : [['send', first] as Step]), ['wait', 10], ['end']]);
      await sleep(100);
      assert.deepEqual(watcher.carried(port), [protocol, protocol]);
    });

  it('are not looked for where the server speaks first', async () => {
    await answering([['send', '220 ready\r\n'], ['until', '\r\n\r\n'], ['send', OK], ['end']]);
    watcher.carried(port);
    await ask(client(), host, port, [['until', '\n'], get('/banner/x'), answered]);
    await sleep(100);
    assert.deepEqual(watcher.carried(port), ['other', 'other']);
    assert.deepEqual(watcher.seen('/banner/'), []);
  });
});
