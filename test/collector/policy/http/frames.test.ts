/**
 * Streams of requests: the collector's reader takes them for what a slow reference does, however they are split; and what
 * it lets by is, to a real nginx, the same requests with the same bodies.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import {
  beginFrames,
  type Frames,
  PART,
  readFrames,
  upgradeFrames,
} from '../../../../collector/src/control/policy/http/frames.ts';
import { JUDGED, UNJUDGED } from '../../../../collector/src/control/policy/http/verdict.ts';
import { randomOf } from '../../../bpf/http/exchange.ts';
import type { Random } from './generate.ts';
import { compiledRules } from './judging.ts';
import { exchange, nginxConfiguration, startNginx } from './nginx_view.ts';
import { reading, streamOf } from './streams.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const STREAMS = Number(process.env.JUDGE_STREAMS ?? 20_000);
const NGINX_STREAMS = Number(process.env.JUDGE_STREAMS ?? 1_000);

const { unit } = compiledRules([{}]).units[0]!;

const isHead = ({ judgement }: Frames): boolean =>
  judgement.verdict === JUDGED.allowed || judgement.verdict === JUDGED.denied;

/** @returns how it ended, targets of the heads that were read, and bytes that were taken */
function read(stream: Buffer, random: Random): { frames: Frames; targets: string[]; bytes: number } {
  const frames = beginFrames(unit);
  const targets: string[] = [];
  let [at, begin] = [0, 0];
  while (at < stream.length) {
    const cut = at + 1 + random(random(2) === 0 ? 4 : 1500);
    const taken = readFrames(unit, frames, stream.subarray(at, cut));
    at += taken;
    if (isHead(frames)) {
      const text = stream.subarray(begin, at).toString('latin1');
      targets.push(/.* (\/\S*) HTTP\/1\.[01]\r\n/s.exec(text)?.[1] ?? text);
      begin = at;
    } else if (at < Math.min(cut, stream.length)) break;
  }
  return { frames, targets, bytes: at };
}

const isBetween = ({ judgement, left, part }: Frames): boolean =>
  // a head without a body that was not followed yet is a whole message
  (judgement.verdict === JUDGED.allowed && judgement.contentLength === 0n && ((judgement.seen >> 5) & 1) === 0) ||
  (judgement.verdict === JUDGED.none && judgement.bytes === 0 && left === 0n && part === PART.head);

it('a stream is read as the reference reads it', (t) => {
  const counts = new Map<string, number>();
  for (let count = 0; count < STREAMS; count += 1) {
    const random = randomOf(SEED * 7_000_000 + count);
    const text = streamOf(random);
    const expected = reading(text);
    const seen = read(Buffer.from(text, 'latin1'), random);
    const told = JSON.stringify(text);
    assert.equal(seen.targets.length, expected.requests.length, told);
    for (const [index, { target }] of expected.requests.entries()) assert.equal(seen.targets[index], target, told);
    assert.equal(isBetween(seen.frames), expected.isWhole, told);
    const { verdict, why } = seen.frames.judgement;
    const end = verdict === JUDGED.unjudged ? `unjudged ${why}` : expected.isWhole ? 'whole' : 'cut';
    counts.set(end, (counts.get(end) ?? 0) + 1);
  }
  for (const [end, count] of counts) t.diagnostic(`${count} streams ${end}`);
  for (const end of ['whole', 'cut', `unjudged ${UNJUDGED.chunk}`])
    assert.ok((counts.get(end) ?? 0) > STREAMS / 20, end);
});

describe('chunks that readers take differently are not judged', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const why = (body: string): number => read(Buffer.from(head + body, 'latin1'), randomOf(SEED)).frames.judgement.why;
  for (const body of [
    ...['\r\n', 'g\r\n', ' 1\r\n', '1 \r\n', '1 ;a\r\n', '0x1\r\n', '-1\r\n', '+1\r\n', '1_0\r\n', ';a\r\n', '1\t\r\n'],
    ...['1\n', '1\r\r\n', '1;a\n', '1;a\r \n', '1;\0\r\n', '1\r\nab', '1\r\na\n', '1\r\na\r\r', '1\r\na0\r\n'],
    ...[
      '0\r\n\n',
      '0\r\n:a\r\n',
      '0\r\n a\r\n',
      '0\r\nA\r\n',
      '0\r\nA :b\r\n',
      '0\r\nA: b\n',
      '0\r\nA: b\r\n c\r\n',
      '0\r\n\r\r',
    ],
    ...['10000000000000000\r\n', 'fffffffffffffff\r\n'],
  ])
    it(JSON.stringify(body), () => assert.equal(why(body), UNJUDGED.chunk));
  it('nor those with endless lines', () => {
    assert.equal(why(`1;${'a'.repeat(20_000)}`), UNJUDGED.too_long);
    assert.equal(why(`0\r\n${'A: b\r\n'.repeat(3_000)}`), UNJUDGED.too_long);
  });
  it('and the largest is passed over', () => {
    const frames = beginFrames(unit);
    const bytes = Buffer.from(`${head}00fffffffffffff\r\n`);
    const taken = readFrames(unit, frames, bytes);
    assert.equal(taken + readFrames(unit, frames, bytes.subarray(taken)), bytes.length);
    assert.equal(frames.left, 0xf_ffff_ffff_ffffn);
  });
});

it('behind a request for an upgrade, the answer says what comes', () => {
  const head = Buffer.from('GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n');
  const next = Buffer.from('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  for (const switches of [true, false]) {
    const frames = beginFrames(unit);
    assert.equal(readFrames(unit, frames, head), head.length);
    for (let times = 0; times < 2; times += 1) assert.equal(readFrames(unit, frames, next), 0);
    assert.equal(frames.part, PART.upgrade);
    upgradeFrames(frames, switches);
    assert.equal(readFrames(unit, frames, next), next.length);
    assert.equal(frames.judgement.verdict, switches ? JUDGED.none : JUDGED.allowed);
  }
});

describe('streams and nginx', { skip: existsSync('/usr/sbin/nginx') ? false : 'no nginx' }, () => {
  let nginx: Awaited<ReturnType<typeof startNginx>>;
  before(async () => {
    nginx = await startNginx((folder) =>
      nginxConfiguration(
        folder,
        `server {
          listen unix:${folder}/nginx.sock;
          lingering_close off;
          proxy_ignore_client_abort on;
          location / { proxy_pass http://unix:${folder}/behind.sock; }
        }
        server {
          listen unix:${folder}/behind.sock;
          location / { return 200 "<$request_uri \${content_length}>"; }
        }`,
      ),
    );
  });
  after(() => nginx?.stop());

  it('what is taken is the same requests to nginx', async (t) => {
    const counts = { requests: 0, 'with chunks or a body': 0, 'broken streams': 0 };
    const compare = async (count: number): Promise<void> => {
      const random = randomOf(SEED * 9_000_000 + count);
      const stream = Buffer.from(streamOf(random), 'latin1');
      const { bytes, frames } = read(stream, random);
      // the byte that is not judged comes to nobody
      const passed = stream.subarray(0, frames.judgement.verdict === JUDGED.unjudged ? bytes - 1 : bytes);
      const taken = passed.toString('latin1');
      const answers = await exchange(nginx.path, passed);
      const seen = [...answers.matchAll(/<(\S+) ([0-9]*)>/g)].map(
        ([, target, length]) => `${target} ${Number(length)}`,
      );
      const { requests } = reading(taken);
      const expected = requests.map(({ target, bodyBytes }) => `${target} ${bodyBytes}`);
      const told = JSON.stringify([taken, answers]);
      // a body that is cut, or broken at its last byte, is answered to nobody
      if (requests.at(-1)?.bodyBytes === undefined) expected.pop();
      // nginx reads no more behind a request of HTTP/1.0
      if (answers.includes('Connection: close')) expected.length = Math.min(expected.length, seen.length);
      assert.deepEqual(seen, expected, told);
      counts.requests += seen.length;
      counts['with chunks or a body'] += seen.filter((one) => !one.endsWith(' 0')).length;
      counts['broken streams'] += frames.judgement.verdict === JUDGED.unjudged ? 1 : 0;
    };
    for (let count = 0; count < NGINX_STREAMS; count += 20)
      await Promise.all(Array.from({ length: 20 }, (_, index) => compare(count + index)));
    for (const [name, count] of Object.entries(counts)) t.diagnostic(`${count} ${name}`);
    for (const count of Object.values(counts)) assert.ok(count > NGINX_STREAMS / 10);
  });
});
