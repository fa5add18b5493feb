/** Pages, torn answers, and objects that are huge or hostile. Against a stand-in. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../../deploy/lab/wait.ts';
import { meet, ONE, PODS, TIMING } from './support/meet.ts';
import { reflect } from './support/mirror.ts';
import {
  type Answer,
  endOfList,
  line,
  list,
  object,
  refuse,
  type StandIn,
  startStandIn,
  status,
  watch,
} from './support/stand_in.ts';

describe('a reflector and what it is sent', () => {
  let server: StandIn;

  before(async () => {
    server = await startStandIn();
  });

  after(() => server.stop());

  it('falls back to pages, and uses a connection again', async () => {
    const before = server.connections();
    const pages = [
      list([object('a', 1)], 30, 'next'),
      list([object('b', 2)], 31, 'next 2'),
      list([object('c', 3)], 32),
    ];
    const answers = [refuse(422, 'Invalid'), ...pages, watch(line('ADDED', object('d', 31)))];
    const { mirror } = await meet(server, answers, ({ mirror: { names } }) => names.length === 4);
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'item b', 'item c', 'end', 'changed d']);
    const queries = server.asked.slice(1).map(({ url }) => Object.fromEntries(url.searchParams));
    assert.deepEqual(queries.slice(0, 3), [
      { limit: '500', resourceVersion: '0' },
      { limit: '500', continue: 'next' },
      { limit: '500', continue: 'next 2' },
    ]);
    assert.equal(queries[3]?.resourceVersion, '30');
    assert.equal(server.connections() - before, 1);
  });

  it('asks again at once when an idle connection has ended', async () => {
    const breaks: Answer = (response) => response.destroy();
    const timing = { ...TIMING, backoff: { firstMs: 20_000, mostMs: 20_000, resetMs: 1 } };
    const answers = [refuse(400), list([], 30, 'next'), breaks, list([object('a', 3)], 30), watch()];
    const { mirror, logged } = await meet(server, answers, ({ mirror: { names } }) => names.length === 1, { timing });
    assert.deepEqual(mirror.calls, ['begin', 'item a', 'end']);
    assert.deepEqual(
      logged.filter(({ level }) => level >= 40),
      [],
    );
  });

  it('takes the whole list when it expires between two pages', async () => {
    const answers = [
      refuse(400, 'BadRequest'),
      list([object('a', 1)], 30, 'next'),
      refuse(410, 'Expired'),
      list([object('a', 1), object('b', 40)], 41),
      watch(),
    ];
    const { mirror } = await meet(server, answers, () => server.asked.length === 5);
    assert.deepEqual(mirror.names, ['a', 'b']);
    assert.equal(server.asked[3]?.url.search, '');
    assert.deepEqual(server.questions().at(-1), 'watch 41');
  });

  it('begins anew when a list is torn: a page, a stream, a page of a proxy in between', async () => {
    const torn: Answer = (response) => {
      response.write('{"metadata":{"resourceVersion":"30"},"items":[{"metadata":{"name":"a"');
      setTimeout(() => response.destroy(), 50);
    };
    const html: Answer = (response) => response.end('<html>welcome</html>');
    const cutShort: Answer = (response) => response.end('{"metadata":{"resourceVersion":"30"},"items":[');
    const listed = list([object('a', 30)], 30);
    const answers: Answer[] = [(response) => response.end(ONE[0]), refuse(400), torn, html, cutShort, listed, watch()];
    const { mirror, reflector } = await meet(server, answers, () => server.questions().includes('watch 30'));
    assert.deepEqual(mirror.names, ['a']);
    assert.equal(reflector.state.skipped, 0);
  });

  it('does not believe a torn line: it asks again, and after three lists anew', async () => {
    const bad = watch('{"type":"MODIFIED","object":{"metadata":\n');
    const answers = [watch(...ONE, 'nonsense\n'), bad, bad, watch(line('ADDED', object('b', 20)), endOfList(21))];
    const { mirror } = await meet(server, answers, ({ reflector: { state } }) => state.resourceVersion === '21');
    assert.deepEqual(server.questions(), ['list', 'watch 7', 'watch 7', 'list']);
    assert.deepEqual(mirror.names, ['b']);
  });

  it('lists anew when it cannot tell whose event was too large', async () => {
    const nameless = `{"type":"MODIFIED","object":{"metadata":{"annotations":{"a":"${'x'.repeat(20_000)}"}}}}\n`;
    const answers = [watch(...ONE, nameless), watch(line('ADDED', object('b', 20)), endOfList(21))];
    const { mirror, reflector } = await meet(
      server,
      answers,
      ({ reflector: { state } }) => state.resourceVersion === '21',
      { mostObjectBytes: 10_000 },
    );
    assert.deepEqual(server.questions(), ['list', 'list']);
    assert.deepEqual(mirror.names, ['b']);
    assert.equal(reflector.state.skipped, 1);
  });

  it('leaves out what is too large, in a list and in a watch, and forgets what was before', async () => {
    const huge = (name: string, version: number) => object(name, version, { annotations: { a: 'x'.repeat(50_000) } });
    const answers = [
      watch(
        line('ADDED', huge('h', 4)),
        ...ONE,
        line('ADDED', object('b', 8)),
        line('MODIFIED', huge('a', 9)),
        line('MODIFIED', object('b', 10)),
        line('ERROR', status(410, 'Gone')),
      ),
      refuse(400),
      list([huge('h', 4), object('b', 10), huge('a', 9)], 11),
      watch(line('MODIFIED', object('a', 12))),
    ];
    const { mirror, reflector, logged } = await meet(
      server,
      answers,
      ({ mirror: { calls } }) => calls.at(-1) === 'changed a',
      {
        mostObjectBytes: 10_000,
      },
    );
    assert.deepEqual(mirror.calls, [
      ...['begin', 'deleted h', 'item a', 'end', 'changed b', 'deleted a', 'changed b'],
      ...['begin', 'item b', 'end', 'changed a'],
    ]);
    assert.equal(reflector.state.skipped, 4);
    assert.ok(logged.some(({ code }) => code === 'FLOW_KUBERNETES_OBJECT_SIZE'));
  });

  it('survives hostile objects and a sink that throws at one', async () => {
    const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`label-${at}`, 'x']));
    const proto =
      '{"type":"ADDED","object":{"__proto__":{"bad":1},"metadata":{"__proto__":{"bad":1},"name":"p","uid":"p","resourceVersion":"6"}}}\n';
    const odd =
      '{"type":"ADDED","object":{"metadata":{"resourceVersion":"6","name":null}}}\n{"type":"ADDED","object":{"metadata":{"resourceVersion":"6","uid":[]},"spec":7}}\n';
    server.script(watch(line('ADDED', object('l', 5, { labels })), proto, odd, ...ONE));
    let items = 0;
    const sink = {
      begin: () => {},
      item: () => {
        items += 1;
        if (items === 2) throw new TypeError('not this one');
      },
      end: () => {},
      changed: () => {},
      deleted: () => {},
    };
    const running = reflect(server.api, PODS, { timing: TIMING, sink });
    await eventually('the list', () => running.reflector.state.synced);
    await running.stop();
    server.cut();
    assert.equal(items, 5);
    assert.equal(running.reflector.state.skipped, 1);
    assert.equal(({} as { bad?: number }).bad, undefined);
  });
});
