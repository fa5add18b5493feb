/** Received segments as networks deliver them: late, twice, never, and in copies that TCP will not take. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type Exchange, randomOf } from './http/exchange.ts';
import { pieces, type Streams, wellFormed } from './http/generate.ts';
import { type Direction, Parser } from './http/parser.ts';
import { expectedOf } from './http/reference.ts';

const CONNECTIONS = Number(process.env.HTTP_CONNECTIONS ?? 400);
const SEED = Number(process.env.HTTP_SEED ?? 1);
const FIRST = 0xffffc000;
const MSS = 1448;

type Random = (below: number) => number;

interface Segment {
  readonly at: number;
  readonly payload: Buffer;
}

let parser: Parser;
before(() => {
  parser = new Parser();
});
after(() => parser.dispose());
beforeEach(() => parser.rows());

function segmentsOf(random: Random, bytes: Buffer): Segment[] {
  let at = 0;
  return pieces(random, bytes, MSS).map((payload) => {
    at += payload.length;
    return { at: at - payload.length, payload };
  });
}

/** Delays some segments by up to `distance` places, and sends some twice. */
function disorder(random: Random, segments: readonly Segment[], distance: number): Segment[] {
  return segments
    .flatMap((segment, place) => {
      const late = { segment, place: place + (random(4) === 0 ? random(distance + 1) : 0) };
      return random(10) === 0 ? [late, { segment, place: place + random(distance + 1) }] : [late];
    })
    .sort((a, b) => a.place - b.place)
    .map(({ segment }) => segment);
}

/** What TCP has once all of `arrived` has: the end of the bytes without a hole. */
function acceptedOf(arrived: readonly Segment[]): number {
  let accepted = 0;
  for (const { at, payload } of [...arrived].sort((a, b) => a.at - b.at))
    if (at <= accepted) accepted = Math.max(accepted, at + payload.length);
  return accepted;
}

/** One stream is sent from here and in order; the other one is received as `arrive` says. */
function run(streams: Streams, received: Direction, arrive: (bytes: Buffer) => Segment[], random: Random): Exchange[] {
  parser.begin(FIRST, FIRST);
  for (const direction of ['request', 'response'] as const) {
    const bytes = streams[`${direction}s`];
    const ingress = direction === received;
    const arrived: Segment[] = [];
    for (const segment of ingress ? arrive(bytes) : segmentsOf(random, bytes)) {
      const accepted = FIRST + acceptedOf(arrived);
      parser.segment({ direction, sequence: FIRST + segment.at, accepted, ingress }, segment.payload);
      arrived.push(segment);
    }
    /* Our own acknowledgement goes out, and shows what TCP has. */
    const accepted = FIRST + acceptedOf(arrived);
    if (ingress) parser.segment({ direction, sequence: accepted, accepted, ingress }, Buffer.alloc(0));
  }
  parser.close();
  return parser.rows();
}

for (const received of ['request', 'response'] as const)
  test(`a received ${received} stream out of order and with duplicates is read whole`, () => {
    const gaps = parser.discarded('stream_gap');
    for (let i = 0; i < CONNECTIONS; i += 1) {
      const random = randomOf(SEED * 4_000_000 + i);
      const streams = wellFormed(random, 1 + random(8));
      const rows = run(streams, received, (bytes) => disorder(random, segmentsOf(random, bytes), 6), random);
      assert.deepEqual(rows, expectedOf(streams.requests, streams.responses, FIRST).rows, `connection ${i}`);
    }
    assert.equal(parser.discarded('stream_gap'), gaps);
    assert.equal(parser.leftovers(), 0);
  });

/** Chunks of 8 KiB, and behind them another answer. */
function chunkedAnswers(bytes: number): Buffer {
  const chunk = `2000\r\n${'c'.repeat(8192)}\r\n`;
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  return Buffer.from(`${head}${chunk.repeat(bytes / 8192)}0\r\n\r\n${OK.toString()}`);
}

test('chunks are followed over holes far larger than what is kept out of order', () => {
  const requests = Buffer.from(GOOD.toString().repeat(2));
  const responses = chunkedAnswers(512 * 1024);
  const full = parser.discarded('reorder_full');
  for (let lost = 1; lost < 4; lost += 1) {
    parser.begin(FIRST, FIRST);
    parser.segment({ direction: 'request', sequence: FIRST }, requests);
    const segments = segmentsOf((below) => below - 1, responses);
    const [late] = segments.splice(lost, 1);
    let accepted = 0;
    for (const { at, payload } of segments) {
      const told = {
        direction: 'response',
        accepted: FIRST + accepted,
        confirmed: FIRST + accepted,
        ingress: true,
      } as const;
      parser.segment({ ...told, sequence: FIRST + at }, payload);
      if (at === accepted) accepted += payload.length;
    }
    assert.deepEqual(told(), []);
    const end = FIRST + responses.length;
    const filling = { direction: 'response', sequence: FIRST + (late?.at ?? 0), ingress: true } as const;
    parser.segment(
      { ...filling, accepted: FIRST + accepted, confirmed: FIRST + accepted },
      late?.payload ?? Buffer.of(),
    );
    parser.segment({ ...filling, accepted: end, confirmed: end, sequence: end, now: 9n }, Buffer.alloc(0));
    assert.deepEqual(parser.rows(), expectedOf(requests, responses, FIRST).rows, `segment ${lost}`);
    parser.close();
  }
  assert.equal(parser.discarded('reorder_full'), full);
});

test('an answer whose hole is never filled did not end', () => {
  const responses = chunkedAnswers(64 * 1024);
  parser.begin(FIRST, FIRST);
  parser.segment({ direction: 'request', sequence: FIRST }, Buffer.from(GOOD.toString().repeat(2)));
  for (const { at, payload } of segmentsOf((below) => below - 1, responses)) {
    if (at === MSS) continue;
    const accepted = FIRST + Math.min(at, MSS);
    parser.segment(
      { direction: 'response', sequence: FIRST + at, accepted, confirmed: accepted, ingress: true },
      payload,
    );
  }
  parser.close(1n, FIRST + MSS);
  assert.deepEqual(told(), ['/good 200 connection_closed', '/good 200 connection_closed']);
});

const GOOD = Buffer.from('GET /good HTTP/1.1\r\nHost: a\r\n\r\n');
const EVIL = Buffer.from('GET /evil HTTP/1.1\r\nHost: a\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
const FAILED = Buffer.from('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n');

/** Targets and statuses of the rows. */
const told = (): string[] => parser.rows().map(({ target, status, end }) => `${target} ${status} ${end}`);

test('of two copies of a request the one that TCP takes counts', () => {
  parser.begin(FIRST, FIRST);
  const request = { direction: 'request', sequence: FIRST, accepted: FIRST, ingress: true } as const;
  parser.segment(request, EVIL);
  parser.segment(request, GOOD);
  parser.segment({ direction: 'response', sequence: FIRST }, OK);
  parser.close();
  assert.deepEqual(told(), ['/good 200 complete']);
});

test('of two copies of a response the one that TCP takes counts', () => {
  parser.begin(FIRST, FIRST);
  parser.segment({ direction: 'request', sequence: FIRST }, GOOD);
  const response = {
    direction: 'response',
    sequence: FIRST,
    accepted: FIRST,
    ingress: true,
    confirmed: FIRST,
  } as const;
  parser.segment(response, FAILED);
  assert.deepEqual(told(), []);
  parser.segment(response, OK);
  parser.segment({ ...response, accepted: FIRST + OK.length, confirmed: FIRST + OK.length }, Buffer.alloc(0));
  assert.deepEqual(told(), ['/good 200 complete']);
  parser.close();
});

test('two copies of the middle of a head give no row', () => {
  const gaps = parser.discarded('stream_gap');
  parser.begin(FIRST, FIRST);
  const request = { direction: 'request', accepted: FIRST + 20, ingress: true } as const;
  parser.segment({ ...request, sequence: FIRST, accepted: FIRST }, GOOD.subarray(0, 20));
  parser.segment({ ...request, sequence: FIRST + 20 }, Buffer.from('Host: evil\r\n\r\n'));
  parser.segment({ ...request, sequence: FIRST + 20 }, GOOD.subarray(20));
  parser.segment({ direction: 'response', sequence: FIRST }, OK);
  parser.close();
  assert.deepEqual(told(), []);
  assert.equal(parser.discarded('stream_gap'), gaps + 1);
});

test('a second copy of a body is no second body', () => {
  parser.begin(FIRST, FIRST);
  const head = Buffer.from('PUT /body HTTP/1.1\r\nContent-Length: 40\r\n\r\n');
  const at = FIRST + head.length;
  const received = { direction: 'request', ingress: true } as const;
  parser.segment({ ...received, sequence: FIRST, accepted: FIRST }, head);
  parser.segment({ ...received, sequence: at, accepted: at }, Buffer.alloc(20));
  parser.segment({ ...received, sequence: at, accepted: at }, Buffer.alloc(20));
  parser.segment({ ...received, sequence: at + 10, accepted: at + 20 }, Buffer.alloc(30));
  parser.segment({ direction: 'response', sequence: FIRST }, OK);
  parser.close();
  assert.deepEqual(
    parser.rows().map(({ requestBytes, requestBodyBytes }) => [requestBytes, requestBodyBytes]),
    [[head.length + 40, 40]],
  );
});

test('bytes that were never seen end the sight, and are counted', () => {
  const gaps = parser.discarded('stream_gap');
  parser.begin(FIRST, FIRST);
  parser.segment({ direction: 'request', sequence: FIRST }, GOOD);
  parser.segment({ direction: 'request', sequence: FIRST + GOOD.length + 1 }, GOOD);
  parser.segment({ direction: 'response', sequence: FIRST, accepted: FIRST + 7, ingress: true }, Buffer.alloc(0));
  parser.close();
  assert.deepEqual(told(), ['/good 0 lost_sight']);
  assert.equal(parser.discarded('stream_gap'), gaps + 2);
});

/** Sequence numbers of requests and answers, from FIRST on. */
const numbers = (): number[][] =>
  parser.rows().map(({ requestSequence, responseSequence }) => [requestSequence - FIRST, responseSequence - FIRST]);

test('a client that gave up and a server that answered nevertheless name the request alike', () => {
  const interim = Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n');
  const seen: number[][][] = [];
  for (const answered of [Buffer.alloc(0), interim, Buffer.concat([interim, OK])]) {
    parser.begin(FIRST, FIRST);
    parser.segment({ direction: 'request', sequence: FIRST }, GOOD);
    parser.segment({ direction: 'response', sequence: FIRST }, OK);
    parser.segment({ direction: 'request', sequence: FIRST + GOOD.length }, Buffer.from(`\r\n${GOOD}`));
    if (answered.length > 0) parser.segment({ direction: 'response', sequence: FIRST + OK.length }, answered);
    parser.close();
    seen.push(numbers());
  }
  const pair = [
    [0, 0],
    [GOOD.length + 2, OK.length],
  ];
  assert.deepEqual(seen, [pair, pair, pair]);
});

test('of a request behind one without an answer nobody can tell where its answer would begin', () => {
  parser.begin(FIRST, FIRST);
  parser.segment({ direction: 'request', sequence: FIRST }, Buffer.concat([GOOD, GOOD]));
  parser.close();
  assert.deepEqual(numbers(), [
    [0, 0],
    [GOOD.length, -FIRST],
  ]);
});

test('more out of order than is kept ends the sight, and is counted', () => {
  const full = parser.discarded('reorder_full');
  parser.begin(FIRST, FIRST);
  for (let at = MSS; at < 60 * MSS; at += MSS)
    parser.segment({ direction: 'request', sequence: FIRST + at, accepted: FIRST, ingress: true }, Buffer.alloc(MSS));
  assert.equal(parser.discarded('reorder_full'), full + 1);
  parser.close();
  assert.deepEqual(told(), []);
  assert.equal(parser.leftovers(), 0);
});

test('a request of which bytes were never seen is told with its answer, and that sight was lost', () => {
  parser.begin(FIRST, FIRST);
  const head = Buffer.from('PUT /lost HTTP/1.1\r\nContent-Length: 100\r\n\r\n');
  parser.segment({ direction: 'request', sequence: FIRST }, head);
  parser.segment({ direction: 'request', sequence: FIRST + head.length + 10 }, Buffer.alloc(90));
  parser.segment({ direction: 'response', sequence: FIRST }, OK);
  parser.close();
  assert.deepEqual(told(), ['/lost 200 lost_sight']);
});

test('more unanswered requests than are followed are counted, and those before them told', () => {
  const deep = parser.discarded('pipeline_depth');
  const count = 100;
  parser.begin(FIRST, FIRST);
  for (let i = 0; i < count; i += 1) parser.segment({ direction: 'request', sequence: FIRST + i * GOOD.length }, GOOD);
  for (let i = 0; i < count; i += 1) parser.segment({ direction: 'response', sequence: FIRST + i * OK.length }, OK);
  parser.close();
  assert.equal(parser.discarded('pipeline_depth'), deep + 1);
  const rows = told();
  assert.ok(rows.length > 60 && rows.length < count, `${rows.length} rows`);
  assert.ok(rows.every((row) => row === '/good 200 complete'));
  assert.equal(parser.leftovers(), 0);
});
