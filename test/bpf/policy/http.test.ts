/** HTTP rules on real requests, with no collector there: who is refused is told so at once, and nginx hears nothing of it. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { run } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { builtTestProgram } from '../../native/build.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { u32 } from '../dataplane/pinned.ts';
import type { Step, Told } from './http_client.ts';
import { HttpScene } from './http_scene.ts';

/** Within a round trip, and a busy machine's scheduler. */
const PROMPT_MS = 100;
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
const RULES = [
  { method: 'GET', path: '/static/.*' },
  { method: 'POST', path: '/upload' },
];
/** Where nginx waits for the first bytes before it takes a connection. */
const DEFERRED_PORT = 8080;

/** Where bodies go, so that nginx reads them. */
const BACKEND = '/empty';

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n${more}\r\n`;
const post = (body: string): string =>
  `POST /upload HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe('HTTP rules at a pod', () => {
  let scene: HttpScene;
  let nginx: Nginx;
  let deferred: Nginx;
  let asked = 0;
  before(async () => {
    scene = new HttpScene([80, DEFERRED_PORT]);
    const place = { namespace: scene.server, cgroup: scene.cgroup };
    nginx = await startNginx(place, {
      locations: `location /upload { client_max_body_size 100m; proxy_pass http://127.0.0.1${BACKEND}; }`,
    });
    deferred = await startNginx(place, { port: DEFERRED_PORT, listen: 'deferred' });
  });
  after(async () => {
    for (const each of [nginx, deferred]) await each?.stop();
    scene?.end();
  });

  /** What nginx has taken as requests since the last look. */
  const seen = (): string[] => {
    const all = nginx.accessLog();
    const fresh = all.slice(asked);
    asked = all.length;
    return fresh.filter(({ uri }) => uri !== BACKEND).map(({ method, uri, status }) => `${method} ${uri} ${status}`);
  };
  async function ask(steps: readonly (Step | string)[], { host = scene.host.ipv4, port = 80 } = {}): Promise<Told> {
    const words = [
      host,
      String(port),
      JSON.stringify(steps.map((step) => (typeof step === 'string' ? { send: step } : step))),
    ];
    const script = `${import.meta.dirname}/http_client.ts`;
    return JSON.parse(await run({ namespace: scene.client }, [process.execPath, script, ...words])) as Told;
  }
  const nobodyHangs = () =>
    eventually('the end of every connection', () => !/ESTAB|FIN|LAST|CLOS|SYN/.test(scene.server.run('ss', '-tanH')));

  /** All that is counted, as `verdict judged count`. */
  const counted = (): string[] =>
    scene
      .takeRecords()
      .map(({ verdict, rule, count }) => `${verdict} ${rule === 255 ? '-' : rule} ${count}`)
      .toSorted();
  const statuses = (told: Told): string[] => [...told.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => code!);
  function assertForbidden(told: Told): void {
    assert.deepEqual([told.received, told.end], [FORBIDDEN, 'end']);
    assert.ok(told.endedMs < PROMPT_MS, `${told.endedMs} ms`);
  }

  for (const family of ['ipv4', 'ipv6'] as const)
    it(`allow what a rule allows, and answer the rest with 403: ${family}`, async () => {
      scene.apply(RULES);
      scene.takeRecords();
      const host = scene.host[family];
      assert.deepEqual(statuses(await ask([get('/static/1.txt')], { host })), ['200']);
      assert.deepEqual(statuses(await ask([post('body')], { host })), ['204']);
      assertForbidden(await ask([get('/secret')], { host }));
      assertForbidden(await ask([post('body').replace('POST', 'PUT')], { host }));
      assert.deepEqual(seen(), ['GET /static/1.txt 200', 'POST /upload 204']);
      const records = scene.takeRecords();
      assert.deepEqual(records.map(({ verdict, rule, count }) => [verdict, rule, count]).toSorted(), [
        ['ALLOWED', 0, 1],
        ['ALLOWED', 1, 1],
        ['DENIED', 255, 2],
      ]);
      assert.equal(records.find(({ rule }) => rule === 0)?.head, get('/static/1.txt'));
      assert.ok([get('/secret')].includes(records.find(({ verdict }) => verdict === 'DENIED')?.head ?? ''));
      await nobodyHangs();
    });

  it('reset where a reset was asked for', async () => {
    scene.apply(RULES, 'enforce', 'reset');
    const told = await ask([get('/secret')]);
    assert.deepEqual([told.received, told.end], ['', 'ECONNRESET']);
    assert.deepEqual(seen(), []);
    await nobodyHangs();
  });

  it('judge every request of a connection, and let no answer of theirs stand within another', async () => {
    scene.apply(RULES);
    scene.takeRecords();
    const large = get('/static/1000000.txt');
    for (const steps of [
      [get('/static/1.txt'), { send: get('/secret'), responses: 1 }],
      [get('/static/1.txt') + get('/static/1.txt') + get('/secret'), { send: get('/static/1.txt'), responses: 1 }],
      [post('x'.repeat(100_000)) + get('/secret')],
      [large + get('/secret')],
    ]) {
      const told = await ask(steps);
      assert.match(told.end, /^(end|ECONNRESET)$/);
      const [first, ...others] = statuses(told);
      assert.match(first ?? '', /^20[04]$/);
      assert.ok(others.every((status, index) => status !== '403' || index === others.length - 1));
    }
    assert.ok(seen().every((line) => !line.includes('/secret')));
    assert.deepEqual(counted(), ['ALLOWED 0 4', 'ALLOWED 1 1', 'DENIED - 4']);
    await nobodyHangs();
  });

  it('judge a head that comes byte by byte', async () => {
    scene.apply(RULES);
    const slowly = (bytes: string) => [...bytes].map((send) => ({ send, pauseMs: 2 }));
    assert.deepEqual(statuses(await ask(slowly(get('/static/1.txt') + get('/static/0.txt')))), ['200', '200']);
    assertForbidden(await ask(slowly(get('/secret'))));
    // What came of the head before it was judged was a request that broke off.
    assert.deepEqual(seen(), ['GET /static/1.txt 200', 'GET /static/0.txt 200', 'GET /secret 400']);
    await nobodyHangs();
  });

  it('judge heads and bodies of many segments', async () => {
    scene.apply(RULES);
    const long = (path: string) => get(path, `X-Long: ${'y'.repeat(7_000)}\r\n`.repeat(2));
    assert.deepEqual(statuses(await ask([long('/static/1.txt')])), ['200']);
    const upload: Step = { send: post('').replace('Length: 0', 'Length: 1000000'), body: 1_000_000 };
    assert.deepEqual(statuses(await ask([upload, get('/static/1.txt'), upload])), ['204', '200', '204']);
    assertForbidden(await ask([long('/secret')]));
    seen();
  });

  it('judge first bytes that come before there is a socket', async () => {
    scene.apply(RULES);
    const to = { port: DEFERRED_PORT };
    const two = [get('/static/1.txt'), { send: get('/static/100.txt'), responses: 1 }];
    assert.deepEqual(statuses(await ask(two, to)), ['200', '200']);
    assert.deepEqual(statuses(await ask([get('/static/1.txt') + get('/secret')], to)).slice(0, 1), ['200']);
    assertForbidden(await ask([get('/secret')], to));
    const paths = deferred.accessLog().map(({ uri }) => uri);
    assert.deepEqual(paths, ['/static/1.txt', '/static/100.txt', '/static/1.txt']);
    await nobodyHangs();
  });

  it('change for the next request of a connection that is there', async () => {
    scene.apply(RULES);
    seen();
    const asking = ask([get('/static/1.txt'), { send: get('/static/2.txt'), responses: 1, pauseMs: 500 }]);
    await eventually('the first request', () => seen().length > 0);
    scene.apply([{ path: '/other' }]);
    assert.match((await asking).end, /^(end|ECONNRESET)$/);
    assert.deepEqual(seen(), []);
    scene.apply(undefined);
    assert.deepEqual(statuses(await ask([get('/secret')])), ['200']);
    seen();
  });

  it('let all through in audit, and tell', async () => {
    scene.apply(RULES, 'audit');
    scene.takeRecords();
    const requests = get('/static/1.txt') + get('/secret') + post('body') + get('/secret');
    assert.deepEqual(statuses(await ask([requests])), ['200', '200', '204', '200']);
    assert.deepEqual(counted(), ['ALLOWED 0 1', 'ALLOWED 1 1', 'AUDITED - 2']);
    assert.deepEqual(
      statuses(await ask(['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', { send: get('/secret'), responses: 1 }])),
      ['200', '200'],
    );
    assert.deepEqual(counted(), ['AUDITED - 1'], 'what follows a head that cannot be judged cannot be, either');
    seen();
  });

  it('leave connections alone that were there before them', async () => {
    scene.apply(RULES, 'observe');
    const asking = ask([get('/before'), { send: get('/secret'), responses: 1, pauseMs: 800 }]);
    await eventually('the first request', () => nginx.answered('/before') > 0);
    scene.apply(RULES);
    assert.deepEqual(statuses(await asking), ['200', '200']);
    seen();
  });

  for (const direction of ['ingress', 'egress'] as const)
    it(`leave what they let pass to others at the device: ${direction}`, async () => {
      const { dataplane, device, server } = scene;
      const name = `others_${direction}`;
      dataplane.loadBeside(builtTestProgram('count_packets.bpf.o'), name);
      const filter = ['dev', device, direction, 'pref', '65000', 'bpf'];
      server.run('tc', 'filter', 'add', ...filter, 'direct-action', 'object-pinned', dataplane.program(name));
      const packets = () => dataplane.get('counted_packets', u32(0)).readBigUInt64LE();
      scene.apply(RULES);
      assert.deepEqual(statuses(await ask([get('/static/1.txt')])), ['200']);
      const seenOfAllowed = packets();
      assertForbidden(await ask([get('/secret')]));
      assert.ok(seenOfAllowed > 0n);
      // A refused request ends with us; its answer is ours, and goes out as others do.
      assert.equal(packets() - seenOfAllowed, direction === 'ingress' ? 0n : 1n);
      rmSync(dataplane.map('counted_packets'));
      server.run('tc', 'filter', 'del', ...filter);
      seen();
    });

  it('let nothing in where nobody judges, until they are gone', async () => {
    scene.apply(RULES);
    const asking = ask([get('/static/1.txt'), { send: get('/static/2.txt'), responses: 1, pauseMs: 400 }]);
    await eventually('the first request', () => seen().length > 0);
    scene.server.run('tc', 'qdisc', 'del', 'dev', scene.device, 'clsact');
    assert.deepEqual(statuses(await asking), ['200']);
    assert.deepEqual(statuses(await ask([get('/static/1.txt')])), []);
    assert.deepEqual(seen(), []);
    const waiting = ask([get('/secret')]);
    await eventually('the request', () => scene.client.run('ss', '-tinH', 'dport', '=', ':80').includes('retrans:'));
    scene.apply(undefined);
    assert.deepEqual(statuses(await waiting), ['200'], 'a connection is not lost with its rules');
  });
});
