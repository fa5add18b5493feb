/**
 * The kernel's HTTP parser, fuzzed: compiled natively under libFuzzer with the address and undefined behaviour
 * sanitizers, and over the committed corpus as the kernel runs it, as this machine runs it, and as a slow independent
 * reading has it, which must all say the same.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { randomOf } from '../bpf/http/exchange.ts';
import { pieces } from '../bpf/http/generate.ts';
import { Parser, SEGMENT_MAX } from '../bpf/http/parser.ts';
import { runStreams } from '../bpf/http/run_streams.ts';
import { whyNot } from '../support/flowspan.ts';
import { agree, FIRST } from './http/agree.ts';
import { fuzz, type Native, replay } from './http/native.ts';
import { corpus, streamsOf } from './support/corpus.ts';

const SEED = 1;
const RUNS = 4_000;
const SECONDS = 6;
/** Random cuts of each entry that the kernel is shown. */
const CUTS = 3;
/** Streams no longer than this are cut at every place. */
const SHORT = 400;

const ENTRIES = corpus('http');

describe('the HTTP parser compiled natively', () => {
  it(`holds over ${RUNS} inputs made from the corpus, and says what the independent reading says`, async (t) => {
    const { tried, found } = await fuzz({ runs: RUNS, seconds: SECONDS, seed: SEED });
    t.diagnostic(`${tried} inputs, of which ${found.length} reach something that no other does`);
    assert.ok(tried >= ENTRIES.length);
    agree(found);
  });
});

describe('the HTTP parser in the kernel', { skip: whyNot() ?? false }, () => {
  let parser: Parser;
  before(() => {
    parser = new Parser();
  });
  after(() => parser.dispose());

  const run = (bytes: Buffer, cut: (stream: Buffer) => Buffer[]): Native =>
    runStreams(parser, FIRST, streamsOf(bytes), cut);

  it('says of the corpus, however it is cut, what it says compiled natively', () => {
    const native = replay(ENTRIES);
    const random = randomOf(SEED);
    for (const [index, { name, bytes }] of ENTRIES.entries()) {
      const compare = (cut: (stream: Buffer) => Buffer[]) => assert.deepEqual(run(bytes, cut), native[index], name);
      for (let cuts = 0; cuts < CUTS; cuts += 1) compare((stream) => pieces(random, stream, SEGMENT_MAX));
      const { requests, responses } = streamsOf(bytes);
      const longest = Math.max(requests.length, responses.length);
      for (let at = 1; at < longest && longest <= SHORT; at += 1)
        compare((stream) => [stream.subarray(0, at), stream.subarray(at)].filter(({ length }) => length > 0));
    }
    assert.equal(parser.leftovers(), 0);
  });
});
