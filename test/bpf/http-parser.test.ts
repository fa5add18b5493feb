/** The kernel's HTTP parser against a slow reference: the same rows of the same bytes, however they are split. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { randomOf } from './http/exchange.ts';
import { broken, pieces, type Streams, wellFormed } from './http/generate.ts';
import { Parser, SEGMENT_MAX } from './http/parser.ts';
import { expectedOf } from './http/reference.ts';
import { runStreams } from './http/run_streams.ts';

/** Of every kind of generated connection. */
const CONNECTIONS = Number(process.env.HTTP_CONNECTIONS ?? 600);
const SEED = Number(process.env.HTTP_SEED ?? 1);
/** Near the end of the sequence space, so that it wraps. */
const FIRST = 0xfffff000;

let parser: Parser;
before(() => {
  parser = new Parser();
});
after(() => parser.dispose());

const run = (streams: Streams, cut: (bytes: Buffer) => Buffer[]) => runStreams(parser, FIRST, streams, cut);

function compare(streams: Streams, cut: (bytes: Buffer) => Buffer[], name: string): void {
  const expected = expectedOf(streams.requests, streams.responses, FIRST);
  const seen = run(streams, cut);
  try {
    assert.deepEqual(seen, expected);
  } catch (error) {
    console.error(
      name,
      JSON.stringify(streams.requests.toString('latin1')),
      JSON.stringify(streams.responses.toString('latin1')),
    );
    throw error;
  }
}

test('well-formed connections, split anywhere, are read whole', () => {
  for (let i = 0; i < CONNECTIONS; i += 1) {
    const random = randomOf(SEED * 1_000_000 + i);
    const streams = wellFormed(random, 1 + random(12));
    compare(streams, (bytes) => pieces(random, bytes, SEGMENT_MAX), `connection ${i}`);
  }
  assert.equal(parser.leftovers(), 0);
});

test('every split of one exchange gives the same row', () => {
  const random = randomOf(SEED);
  const streams = {
    requests: Buffer.from(
      'POST /a?b=c HTTP/1.1\r\nHost: example.org\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\nHEAD /next HTTP/1.0\r\nhost:b\r\n\r\n',
    ),
    responses: Buffer.from(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n',
    ),
  };
  const longest = Math.max(streams.requests.length, streams.responses.length);
  for (let at = 1; at < longest; at += 1)
    compare(
      streams,
      (bytes) => [bytes.subarray(0, at), bytes.subarray(at)].filter((part) => part.length > 0),
      `at ${at}`,
    );
  compare(streams, (bytes) => [...bytes].map((byte) => Buffer.of(byte)), 'bytes');
  compare(streams, (bytes) => pieces(random, bytes, SEGMENT_MAX), 'pieces');
});

test('broken connections give no row that their bytes do not', () => {
  for (let i = 0; i < CONNECTIONS * 2; i += 1) {
    const random = randomOf(SEED * 2_000_000 + i);
    const streams = broken(random, wellFormed(random, 1 + random(6)));
    compare(streams, (bytes) => pieces(random, bytes, SEGMENT_MAX), `connection ${i}`);
  }
  assert.equal(parser.leftovers(), 0);
});

test('random bytes are something else', () => {
  for (let i = 0; i < CONNECTIONS; i += 1) {
    const random = randomOf(SEED * 3_000_000 + i);
    const noise = () => Buffer.from(Array.from({ length: 1 + random(600) }, () => random(256)));
    compare(
      { requests: noise(), responses: noise() },
      (bytes) => pieces(random, bytes, SEGMENT_MAX),
      `connection ${i}`,
    );
  }
});
