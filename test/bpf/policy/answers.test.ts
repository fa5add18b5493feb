/**
 * A 403 of the kernel stands behind the whole answer to what was asked before, never within it and never before it: however
 * that answer ends. Where that cannot be told, the client is reset.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { whyNot } from '../../support/flowspan.ts';
import { ANSWERS } from './answers.ts';
import type { Step, Told } from './http_client.ts';
import { HttpScene } from './http_scene.ts';

const PORT = 8000;
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
/** Within a round trip, and a busy machine's scheduler. */
const PROMPT_MS = 150;
const RULES = [{ method: 'GET|HEAD|POST', path: '/[^s].*|/s[^e].*' }];
const PAUSE_MS = 300;
const QUIET_MS = 1_500;
/** Several losses in a row: each doubles the time until the next try. */
const LOSS_QUIET_MS = 15_000;

const ask = (path: string, method = 'GET', more = ''): string => `${method} ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const textOf = (path: string): string => ANSWERS[path]!.join('');
const SECRET = ask('/secret');

describe('answers to requests that are judged', { skip: whyNot() ?? false }, () => {
  let scene: HttpScene;
  let server: Program;
  before(async () => {
    scene = new HttpScene([PORT]);
    scene.apply(RULES);
    const script = `${import.meta.dirname}/answering_server.ts`;
    server = start({ namespace: scene.server, cgroup: scene.cgroup }, [process.execPath, script, String(PORT)]);
    await listening(scene.server, PORT);
  });
  after(async () => {
    await server?.stop();
    scene?.end();
  });

  let seen = 0;
  /** What the server was asked since the last look. */
  const asked = (): string[] => {
    const lines = server.output().trim().split('\n').filter(Boolean);
    const fresh = lines.slice(seen);
    seen = lines.length;
    return fresh.filter((line) => !/^E[A-Z]+$/.test(line));
  };
  async function talkUntil(quietMs: number, ...steps: readonly Step[]): Promise<Told> {
    const words = [scene.host.ipv4, String(PORT), JSON.stringify(steps)];
    const script = `${import.meta.dirname}/http_client.ts`;
    const command = ['env', `QUIET_MS=${quietMs}`, process.execPath, script, ...words];
    return JSON.parse(await run({ namespace: scene.client }, command)) as Told;
  }
  const talk = (...steps: readonly Step[]): Promise<Told> => talkUntil(QUIET_MS, ...steps);

  for (const [path, answers] of [
    ['/length', 1],
    ['/slow', 1],
    ['/chunked', 1],
    ['/slow-chunked', 1],
    ['/none', 1],
    ['/same', 1],
    ['/early', 2],
    ['/large', 1],
  ] as const) {
    it(`are followed by 403: ${path}`, async () => {
      const told = await talk({ send: ask(path) }, { send: SECRET, responses: answers, pauseMs: PAUSE_MS });
      assert.equal(told.received, textOf(path) + FORBIDDEN);
      assert.equal(told.end, 'end');
      assert.ok(told.endedMs < PROMPT_MS, `${told.endedMs} ms`);
      assert.deepEqual(asked(), [`GET ${path}`]);
    });

    it(`are waited for where the next request comes before them: ${path}`, async () => {
      for (const steps of [
        [{ send: ask(path) + SECRET }],
        [{ send: ask(path) }, { send: SECRET, pauseMs: 20 }],
        [{ send: ask(path) + SECRET.slice(0, 9) }, { send: SECRET.slice(9), pauseMs: 20 }],
      ]) {
        const told = await talk(...steps);
        assert.equal(told.received, textOf(path) + FORBIDDEN);
        assert.equal(told.end, 'end');
      }
      assert.ok(asked().every((line) => line === `GET ${path}`));
    });
  }

  it('have no body where HEAD was asked', async () => {
    const steps = [{ send: ask('/length', 'HEAD') + ask('/length') + ask('/chunked', 'HEAD') }];
    const told = await talk(...steps, { send: SECRET, responses: 3, pauseMs: PAUSE_MS });
    const heads = [textOf('/length').replace('hello', ''), textOf('/length'), textOf('/chunked').split('\r\n\r\n')[0]];
    assert.equal(told.received, `${heads.join('')}\r\n\r\n${FORBIDDEN}`);
    assert.ok(told.endedMs < PROMPT_MS, `${told.endedMs} ms`);
    asked();
  });

  it('are counted, many of them on one connection', async () => {
    const paths = Array.from({ length: 150 }, (_, index) =>
      ask(index % 2 === 0 ? '/length' : '/chunked', index % 3 === 0 ? 'HEAD' : 'GET'),
    );
    const steps = paths.map((send, index) => ({ send, responses: index }));
    const told = await talk(...steps, { send: SECRET, responses: paths.length, pauseMs: PAUSE_MS });
    assert.equal(told.received.split('HTTP/1.1 200').length - 1, paths.length);
    assert.ok(told.received.endsWith(FORBIDDEN));
    asked();
  });

  for (const path of ['/endless', '/odd', '/two'])
    it(`whose end cannot be told are followed by a reset: ${path}`, async () => {
      const told = await talk({ send: ask(path) }, { send: SECRET, responses: 1, pauseMs: PAUSE_MS });
      assert.equal(told.end, 'ECONNRESET');
      assert.ok(told.endedMs < PROMPT_MS, `${told.endedMs} ms`);
      assert.match(told.received, /hello$/);
      assert.deepEqual(asked(), [`GET ${path}`]);
    });

  it('are not waited for where their own request is broken', async () => {
    const head = ask('/half', 'POST', 'Transfer-Encoding: chunked\r\n');
    const told = await talk({ send: `${head}5\r\nhel` }, { send: 'lo\r\n5 \r\n', responses: 1, pauseMs: PAUSE_MS });
    assert.match(told.received, /\r\n\r\nhello$/);
    assert.equal(told.end, 'ECONNRESET');
    assert.ok(told.endedMs < PROMPT_MS, `${told.endedMs} ms`);
    assert.deepEqual(asked(), ['POST /half']);
  });

  it('that do not go on have nothing put into them', async () => {
    const told = await talk({ send: ask('/half') }, { send: SECRET, responses: 1, pauseMs: PAUSE_MS });
    assert.match(told.received, /\r\n\r\nhello$/);
    assert.equal(told.end, 'quiet');
    assert.deepEqual(asked(), ['GET /half']);
  });

  it('are read whole where segments of them are lost and sent again', async () => {
    const lose = (verb: '-A' | '-D') => {
      for (const [namespace, chance] of [
        [scene.client, '0.05'],
        [scene.server, '0.03'],
      ] as const)
        namespace.run(
          ...['iptables', verb, 'INPUT', '-p', 'tcp', '-m', 'statistic', '--mode', 'random', '--probability', chance],
          ...['-j', 'DROP'],
        );
    };
    const paths = ['/large', '/chunked', '/slow', '/large', '/early', '/slow-chunked'];
    lose('-A');
    try {
      for (let times = 0; times < 3; times += 1) {
        const told = await talkUntil(LOSS_QUIET_MS, { send: paths.map((path) => ask(path)).join('') + SECRET });
        const bytes = paths.map(textOf).join('').length + FORBIDDEN.length;
        assert.deepEqual([told.received.length, told.end], [bytes, 'end']);
        assert.equal(told.received, paths.map(textOf).join('') + FORBIDDEN);
      }
    } finally {
      lose('-D');
    }
    assert.ok(asked().every((line) => line !== 'GET /secret'));
  });

  const UPGRADE = 'Upgrade: websocket\r\nConnection: Upgrade\r\n';
  it('that switch to another protocol open the way for it', async () => {
    const told = await talk(
      { send: ask('/switch', 'GET', UPGRADE) },
      { send: '\x81\x05hello', responses: 1 },
      { send: SECRET, responses: 1, pauseMs: PAUSE_MS },
    );
    assert.ok(told.received.endsWith(`\r\n\r\n\x81\x05hello${SECRET}`), told.received);
  });
  it('that do not switch leave requests that are judged', async () => {
    const told = await talk(
      { send: ask('/length', 'GET', UPGRADE) },
      { send: ask('/none'), responses: 1, pauseMs: PAUSE_MS },
      { send: SECRET, responses: 2, pauseMs: PAUSE_MS },
    );
    assert.ok(told.received.endsWith(FORBIDDEN), told.received);
    asked();
    const early = await talk({ send: ask('/slow', 'GET', UPGRADE) + SECRET });
    assert.ok(early.received.endsWith(`hellohello${FORBIDDEN}`), early.received);
    assert.deepEqual(asked(), ['GET /slow']);
  });
});
