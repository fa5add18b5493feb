/** The kernel's reader of streams stands, after every piece, where the collector's does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { beginFrames, type Frames, PART, readFrames } from '../../../collector/src/control/policy/http/frames.ts';
import { JUDGED } from '../../../collector/src/control/policy/http/verdict.ts';
import type { Random } from '../../collector/policy/http/generate.ts';
import { compiledRules } from '../../collector/policy/http/judging.ts';
import { streamOf } from '../../collector/policy/http/streams.ts';
import { whyNot } from '../../support/flowspan.ts';
import { randomOf } from '../http/exchange.ts';
import { compileJudge, KernelJudge, PIECE_MAX } from './judge.ts';

const SEED = Number(process.env.JUDGE_SEED ?? 1);
const STREAMS = Number(process.env.JUDGE_STREAMS ?? 4_000);
const UNIT = 0;
/** What is said at a head's end. */
const ENDS: readonly number[] = [JUDGED.allowed, JUDGED.denied];

describe('streams in the kernel', { skip: whyNot() ?? false }, () => {
  const { unit } = compiledRules([{ path: '/[^1]*' }, { method: 'POST|X-.*' }]).units[0]!;
  let kernel: KernelJudge;
  before(() => {
    kernel = new KernelJudge(compileJudge(), 1);
    kernel.set(UNIT, unit);
  });
  after(() => kernel?.dispose());

  /** Both read on from each place where the kernel stopped. */
  function compare(stream: Buffer, pieceOf: (at: number) => number): Frames {
    const frames = beginFrames(unit);
    const told = JSON.stringify(stream.toString('latin1'));
    for (let at = 0, isFirst = true; at < stream.length; isFirst = false) {
      const piece = stream.subarray(at, at + Math.min(PIECE_MAX, pieceOf(at)));
      const expected = readFrames(unit, frames, piece);
      assert.equal(kernel.read(UNIT, isFirst, piece), expected, told);
      assert.deepEqual(kernel.frames(UNIT), frames, told);
      at += expected;
      if (expected < piece.length && !ENDS.includes(frames.judgement.verdict)) break;
    }
    return frames;
  }

  const anywhere = (random: Random) => (): number => 1 + random(random(2) === 0 ? 4 : 1500);

  it('are read as the collector reads them', (t) => {
    let [heads, broken] = [0, 0];
    for (let count = 0; count < STREAMS; count += 1) {
      const random = randomOf(SEED * 11_000_000 + count);
      const frames = compare(Buffer.from(streamOf(random), 'latin1'), anywhere(random));
      heads += frames.heads;
      broken += Number(frames.judgement.verdict === JUDGED.unjudged);
    }
    t.diagnostic(`${heads} heads, ${broken} broken streams`);
    assert.ok(heads > STREAMS && broken > STREAMS / 10);
  });

  it('many messages in one packet, around the edges of what is loaded at once', () => {
    const requests = [
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde',
    ];
    const chunked = 'PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    for (const length of [0, 1, 990, 1022, 1023, 1024, 1025, 2048, 2900]) {
      const chunk = length === 0 ? '' : `${length.toString(16)}\r\n${'x'.repeat(length)}\r\n`;
      const text = [...requests, chunked, chunk, '1\r\na\r\n', '0\r\nA: b\r\n\r\n', ...requests].join('').repeat(3);
      for (const piece of [PIECE_MAX, 1000, 1024, 1])
        assert.equal(compare(Buffer.from(text), () => piece).heads, 15, `${length} ${piece}`);
    }
  });

  it('small chunks in one packet cost little', (t) => {
    const head = Buffer.from('PUT /0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunks = Buffer.from('1\r\na\r\n'.repeat(480));
    const frames = beginFrames(unit);
    assert.equal(readFrames(unit, frames, head), head.length);
    assert.equal(kernel.read(UNIT, true, head), head.length);
    assert.equal(kernel.read(UNIT, false, chunks), chunks.length);
    assert.equal(kernel.frames(UNIT).part, PART.chunked);
    const inChunks = kernel.cost(UNIT, chunks, 5_000, false);
    kernel.read(UNIT, true, head);
    kernel.read(UNIT, false, Buffer.from('fffffffffff\r\n'));
    const inBody = kernel.cost(UNIT, chunks, 5_000, false);
    t.diagnostic(`${chunks.length} bytes of chunks of 1 byte: ${inChunks} ns; in the middle of a body: ${inBody} ns`);
  });
});
