/** HTTP rules and who makes TCP segments by hand: what nginx is given is what was judged, in whatever order and copies it comes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../../deploy/lab/program.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { HttpScene } from './http_scene.ts';

interface Segment {
  readonly send: string;
  /** Place of its first byte in the stream. */
  readonly at: number;
  /** With a wrong checksum. */
  readonly bad?: boolean;
  /** With a timestamp so much older than the last: TCP drops it where it is more than 1. */
  readonly ago?: number;
  /** With a sequence number so far off. */
  readonly shift?: number;
  /** With an acknowledgement so far off. */
  readonly ack?: number;
  /** With an IP option; as two IP fragments. */
  readonly options?: boolean;
  readonly pieces?: boolean;
}
type Order = Segment | { readonly wait: number };

interface Told {
  readonly received: string;
  readonly end: 'open' | 'fin' | 'rst';
  readonly taken: number;
}

const DEFERRED_PORT = 8080;
const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n${more}\r\n`;
const GOOD = get('/static/1.txt');
/** As long as the good one. */
const EVIL = get('/secret/1.txt');
const WAIT = { wait: 60 };

describe('HTTP rules and segments made by hand', () => {
  let scene: HttpScene;
  let servers: readonly Nginx[];
  let words: readonly string[];
  before(async () => {
    assert.equal(GOOD.length, EVIL.length);
    scene = new HttpScene([80, DEFERRED_PORT]);
    const place = { namespace: scene.server, cgroup: scene.cgroup };
    servers = [await startNginx(place), await startNginx(place, { port: DEFERRED_PORT, listen: 'deferred' })];
    const linkOf = (text: string) => (JSON.parse(text) as { ifname: string; address: string }[])[0]!;
    const [own, theirs] = [scene.client, scene.server].map((one) =>
      linkOf(one.run('ip', '-j', 'link', 'show', 'type', 'veth')),
    );
    const source = scene.from.ipv4.replace(/\d+$/, '77');
    scene.server.run('ip', 'neigh', 'add', source, 'lladdr', own!.address, 'dev', theirs!.ifname);
    words = [own!.ifname, theirs!.address, source, scene.host.ipv4];
    scene.apply([
      { method: 'GET', path: '/static/.*' },
      { method: 'POST', path: '/upload' },
    ]);
  });
  after(async () => {
    for (const each of servers ?? []) await each.stop();
    scene?.end();
  });

  /** Says it to nginx, and returns what became of it and the requests that nginx took whole. */
  async function say(orders: readonly Order[], port = 80): Promise<Told & { readonly requests: readonly string[] }> {
    const server = servers[port === 80 ? 0 : 1]!;
    const before = server.accessLog().length;
    const script = `${import.meta.dirname}/raw_client.py`;
    const text = JSON.stringify([...orders, { wait: 150 }]);
    const told = JSON.parse(
      await run({ namespace: scene.client }, ['python3', script, ...words, String(port), text]),
    ) as Told;
    const requests = server.accessLog().slice(before);
    return { ...told, requests: requests.filter(({ status }) => status !== 400).map(({ uri }) => uri) };
  }

  /** The good one, in so many bytes. */
  const padded = (length: number): string => get('/static/1.txt', `X: ${'y'.repeat(length - GOOD.length - 5)}\r\n`);
  const GOOD_ONCE = ['/static/1.txt'];
  /** Neither the whole of it nor a part was given to nginx as a request. */
  const NOTHING: readonly string[] = [];
  const HEAD = 'POST /upload HTTP/1.1\r\nHost: shop\r\nContent-Length: 400\r\n\r\n';
  const BODY = 'b'.repeat(400);
  const LONG_HEAD = HEAD.replace('400', '400000');
  const UPLOADED = ['/upload'];

  /** What is said, which requests nginx takes, and how it ends; the ports where it is said. */
  const CASES: readonly (readonly [string, readonly Order[], readonly string[], Told['end'], (readonly number[])?])[] =
    [
      ['the allowed', [{ send: GOOD, at: 0 }], GOOD_ONCE, 'open'],
      ['the denied', [{ send: EVIL, at: 0 }], NOTHING, 'fin'],
      [
        'an allowed copy with a bad checksum',
        [
          { send: GOOD, at: 0, bad: true },
          { send: EVIL, at: 0 },
        ],
        NOTHING,
        'fin',
      ],
      [
        'a denied copy with a bad checksum',
        [
          { send: EVIL, at: 0, bad: true },
          { send: GOOD, at: 0 },
        ],
        GOOD_ONCE,
        'open',
      ],
      [
        'a denied copy out of the window',
        [
          { send: EVIL, at: 0, shift: 2_000_000 },
          { send: EVIL, at: 0, shift: -500_000 },
          { send: GOOD, at: 0 },
        ],
        GOOD_ONCE,
        'open',
      ],
      [
        'an allowed copy out of the window',
        [
          { send: GOOD, at: 0, shift: 2_000_000 },
          { send: EVIL, at: 0 },
        ],
        NOTHING,
        'fin',
      ],
      ['the same again with other bytes', [{ send: GOOD, at: 0 }, WAIT, { send: EVIL, at: 0 }], GOOD_ONCE, 'open'],
      [
        'the same again with other bytes, and more',
        [{ send: GOOD, at: 0 }, WAIT, { send: 'x'.repeat(GOOD.length) + EVIL, at: 0 }],
        GOOD_ONCE,
        'fin',
      ],
      [
        'an overlap that makes another request of it',
        [{ send: GOOD, at: 0 }, WAIT, { send: `${EVIL.slice(0, 20)}${GOOD}`.padEnd(100), at: 20 }],
        GOOD_ONCE,
        'fin',
      ],
      [
        'its second half first',
        [{ send: GOOD.slice(20), at: 20 }, { send: GOOD.slice(0, 20), at: 0 }, WAIT, { send: GOOD.slice(20), at: 20 }],
        GOOD_ONCE,
        'open',
      ],
      [
        'an allowed second half first, and a denied one in its turn',
        [{ send: GOOD.slice(5), at: 5 }, { send: EVIL.slice(0, 5), at: 0 }, WAIT, { send: EVIL.slice(5), at: 5 }],
        NOTHING,
        'fin',
      ],
      [
        'a body in any order',
        [
          { send: HEAD, at: 0 },
          WAIT,
          { send: BODY.slice(300), at: HEAD.length + 300 },
          { send: BODY.slice(100, 300), at: HEAD.length + 100 },
          { send: BODY.slice(0, 100), at: HEAD.length },
          WAIT,
          { send: GOOD, at: HEAD.length + 400 },
        ],
        [...UPLOADED, ...GOOD_ONCE],
        'open',
        [80],
      ],
      [
        'a request behind a body that comes before its turn',
        [
          { send: HEAD, at: 0 },
          WAIT,
          { send: EVIL, at: HEAD.length + 400 },
          { send: BODY.slice(300) + EVIL, at: HEAD.length + 300 },
          { send: BODY, at: HEAD.length },
        ],
        UPLOADED,
        'open',
        [80],
      ],
      [
        // TCP drops the first head: what it would have been the head of is no body.
        'a body whose head TCP has not taken',
        [
          { send: GOOD, at: 0 },
          WAIT,
          { send: LONG_HEAD, at: GOOD.length, ago: 100 },
          { send: EVIL, at: GOOD.length + LONG_HEAD.length + 50 },
          WAIT,
          { send: padded(LONG_HEAD.length + 50), at: GOOD.length },
        ],
        [...GOOD_ONCE, ...GOOD_ONCE],
        'open',
      ],
      [
        'a denied copy that acknowledges what was never sent',
        [
          { send: EVIL, at: 0, ack: 100_000 },
          { send: GOOD, at: 0 },
        ],
        GOOD_ONCE,
        'open',
      ],
      [
        'an allowed copy that TCP drops, and a denied one at once',
        [{ send: GOOD, at: 0 }, WAIT, { send: GOOD, at: GOOD.length, ago: 100 }, { send: EVIL, at: GOOD.length }],
        GOOD_ONCE,
        'open',
      ],
      [
        'an allowed copy that TCP drops, and a denied one later',
        [{ send: GOOD, at: 0 }, WAIT, { send: GOOD, at: GOOD.length, ago: 100 }, WAIT, { send: EVIL, at: GOOD.length }],
        GOOD_ONCE,
        'fin',
      ],
      [
        'an allowed copy that TCP drops, and it again',
        [{ send: GOOD, at: 0 }, WAIT, { send: GOOD, at: GOOD.length, ago: 100 }, WAIT, { send: GOOD, at: GOOD.length }],
        [...GOOD_ONCE, ...GOOD_ONCE],
        'open',
      ],
      [
        // The evil one waits behind the gap as the first copy's body, for a head that ends where it begins.
        'two heads for what waits behind a gap',
        [
          { send: GOOD, at: 0 },
          WAIT,
          { send: HEAD, at: GOOD.length, ago: 100 },
          { send: EVIL, at: GOOD.length + HEAD.length },
          WAIT,
          { send: padded(HEAD.length), at: GOOD.length },
        ],
        GOOD_ONCE,
        'rst',
      ],
      ['a denied one with an IP option', [{ send: EVIL, at: 0, options: true }], NOTHING, 'open'],
      ['a denied one in two pieces', [{ send: EVIL, at: 0, pieces: true }], NOTHING, 'open'],
      [
        'an allowed one in two pieces, and whole',
        [{ send: GOOD, at: 0, pieces: true }, WAIT, { send: GOOD, at: 0 }],
        GOOD_ONCE,
        'open',
      ],
    ];

  for (const [title, orders, requests, end, ports = [80, DEFERRED_PORT]] of CASES)
    for (const port of ports)
      it(`${title}, at port ${port}`, async () => {
        const told = await say(orders, port);
        assert.deepEqual([told.requests, told.end], [requests, end], JSON.stringify(told));
      });
});
