/** What a reflector does when the server does not: overload, 410, silence. Against a stand-in. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../../deploy/lab/wait.ts';
import { meet, ONE, PODS, TIMING } from './support/meet.ts';
import { reflect } from './support/mirror.ts';
import {
  type Answer,
  endOfList,
  line,
  object,
  refuse,
  type StandIn,
  startStandIn,
  status,
  watch,
} from './support/stand_in.ts';

/** A watch that the server ends after a while. */
const ended =
  (...lines: string[]): Answer =>
  (response) => {
    response.write(lines.join(''));
    setTimeout(() => response.end(), 1100);
  };

describe('a reflector in bad weather', () => {
  let server: StandIn;

  before(async () => {
    server = await startStandIn();
  });

  after(() => server.stop());

  it('says who it is, and asks as client-go does', async () => {
    const { mirror, reflector } = await meet(server, [watch(...ONE)], ({ reflector: { state } }) => state.synced);
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'end']);
    const [{ url, headers } = assert.fail()] = server.asked;
    assert.equal(url.pathname, '/prefix/api/v1/pods');
    assert.equal(headers.authorization, 'Bearer stand-in');
    assert.equal(headers['user-agent'], 'flowspan-test');
    const { timeoutSeconds, ...query } = Object.fromEntries(url.searchParams);
    assert.deepEqual(query, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
    });
    assert.equal(timeoutSeconds, '300');
    assert.equal(reflector.state.resourceVersion, '7');
    assert.equal(reflector.state.bytes, ONE.join('').length);
  });

  it('is told 410 as it connects: one relist, and what is gone is gone', async () => {
    const answers = [ended(...ONE), refuse(410, 'Expired'), watch(line('ADDED', object('b', 20)), endOfList(21))];
    const { mirror, reflector, logged } = await meet(
      server,
      answers,
      ({ reflector: { state } }) => state.resourceVersion === '21',
    );
    assert.deepEqual(server.questions(), ['list', 'watch 7', 'list']);
    assert.deepEqual(mirror.names, ['b']);
    assert.equal(reflector.state.relists, 1);
    assert.deepEqual(
      logged.filter(({ level }) => level >= 40),
      [],
      'it is nobody’s failure',
    );
  });

  it('is told 410 in the stream', async () => {
    const gone = line('ERROR', status(410, 'Expired'));
    const { mirror } = await meet(
      server,
      [watch(...ONE, line('MODIFIED', object('a', 9)), gone), watch(line('ADDED', object('b', 20)), endOfList(21))],
      ({ reflector: { state } }) => state.resourceVersion === '21',
    );
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'end', 'changed a', 'begin', 'item b', 'end']);
    assert.deepEqual(server.questions(), ['list', 'list']);
  });

  it('lists anew when the server says it never had the version', async () => {
    const tooLarge = {
      ...status(504, 'Timeout'),
      details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    };
    await meet(
      server,
      [watch(...ONE, line('ERROR', tooLarge)), watch(endOfList(3))],
      ({ reflector: { state } }) => state.resourceVersion === '3',
    );
    assert.deepEqual(server.questions(), ['list', 'list']);
  });

  it('waits as long as 429 asks, keeps what it knows, and goes on where it was', async () => {
    const answers = [
      watch(...ONE, line('ERROR', { ...status(429, 'TooManyRequests'), details: { retryAfterSeconds: 1 } })),
      refuse(429, 'TooManyRequests', { 'retry-after': '1' }),
      watch(line('DELETED', object('a', 12))),
    ];
    const { mirror, reflector, logged } = await meet(
      server,
      answers,
      ({ mirror: { names, calls } }) => names.length === 0 && calls.length > 3,
    );
    assert.deepEqual(server.questions(), ['list', 'watch 7', 'watch 7']);
    const [first, second, third] = server.asked.map(({ atMs }) => atMs) as [number, number, number];
    assert.ok(second - first >= 950 && third - second >= 950, `${second - first} ${third - second}`);
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'end', 'deleted a']);
    assert.equal(reflector.state.relists, 0);
    const told = logged.filter(({ level }) => level >= 30).map(({ level, code }) => [level, code]);
    assert.deepEqual(
      told,
      [
        [40, 'FLOW_KUBERNETES_ANSWER'],
        [30, undefined],
      ],
      'once when it begins to fail, once when it is over',
    );
  });

  it('backs off from 503, ever longer, and is still there when it is over', async () => {
    const overloaded = Array.from({ length: 5 }, () => refuse(503, 'ServiceUnavailable'));
    const { logged } = await meet(server, [...overloaded, watch(...ONE)], ({ reflector: { state } }) => state.synced);
    assert.deepEqual(
      logged.flatMap(({ retryInMs }) => retryInMs ?? []),
      [50, 100, 200, 400, 400],
    );
    const times = server.asked.map(({ atMs }) => atMs);
    assert.ok(times.at(-1)! - times[0]! >= 1100, 'and it did wait');
  });

  it('watches on at once when the server ends a watch, without a list', async () => {
    const ends = ended(line('BOOKMARK', { metadata: { resourceVersion: '9' } }));
    const timing = { ...TIMING, backoff: { firstMs: 20_000, mostMs: 20_000, resetMs: 1 } };
    const { reflector } = await meet(server, [ended(...ONE), ends, watch()], () => server.asked.length === 3, {
      timing,
    });
    assert.deepEqual(server.questions(), ['list', 'watch 7', 'watch 9']);
    assert.equal(reflector.state.relists, 0);
  });

  it('does not run in circles when watches end as soon as they begin', async () => {
    const ends: Answer = (response) => response.end(line('BOOKMARK', { metadata: { resourceVersion: '9' } }));
    await meet(server, [watch(...ONE, line('ERROR', status(500, 'x'))), ends], () => server.asked.length >= 5);
    const times = server.asked.map(({ atMs }) => atMs);
    assert.ok(times[4]! - times[0]! >= 50 + 100 + 200 + 400 - 5);
    assert.equal(server.questions().includes('page'), false);
  });

  it('gives up a connection that is silent, before its answer and in it', async () => {
    const timing = { ...TIMING, watchSilenceMs: 700, listSilenceMs: 700 };
    const { logged } = await meet(
      server,
      [() => {}, watch(...ONE), watch(line('MODIFIED', object('a', 9)))],
      ({ mirror }) => mirror.count('changed a') > 0,
      { timing },
    );
    assert.deepEqual(server.questions(), ['list', 'list', 'watch 7']);
    assert.deepEqual(logged.map(({ code }) => code).filter(Boolean), [
      'FLOW_KUBERNETES_SILENT',
      'FLOW_KUBERNETES_SILENT',
    ]);
    const [first, second, third] = server.asked.map(({ atMs }) => atMs) as [number, number, number];
    assert.ok(second - first >= 690 && third - second >= 690);
  });

  it('has patience with a server that is slow but not silent', async () => {
    const text = Buffer.from(ONE.join(''));
    const slowly: Answer = (response) => {
      let at = 0;
      const timer = setInterval(() => {
        response.write(text.subarray(at, at + 8));
        at += 8;
        if (at >= text.length) clearInterval(timer);
      }, 100);
    };
    const timing = { ...TIMING, watchSilenceMs: 2000 };
    assert.ok((text.length / 8) * 100 > 2500, 'all of it takes longer than the longest silence');
    const { mirror } = await meet(server, [slowly], ({ reflector: { state } }) => state.synced, { timing });
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'end']);
    assert.equal(server.asked.length, 1);
  });

  it('ends at once when it is told to, whatever it is at', async () => {
    const overloaded = refuse(503, 'ServiceUnavailable', { 'retry-after': '300' });
    for (const answers of [[watch(...ONE)], [() => {}], [overloaded]] as Answer[][]) {
      server.script(...answers);
      const each = reflect(server.api, PODS, { timing: TIMING });
      await eventually('the request', () => server.asked.length === 1);
      await sleep(100);
      const begin = performance.now();
      await each.stop();
      assert.ok(performance.now() - begin < 5000);
      assert.equal(server.asked.length, 1);
    }
    server.cut();
  });
});
