/** What a response's head tells of where the response ends. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FIELD } from '../../../../collector/src/control/policy/http/fields.ts';
import { begin, read, sees } from '../../../../collector/src/control/policy/http/judge.ts';
import { responseUnit } from '../../../../collector/src/control/policy/http/response_unit.ts';
import { RESPONSE_FIELD } from '../../../../collector/src/control/policy/http/status_line.ts';
import { JUDGED, UNJUDGED } from '../../../../collector/src/control/policy/http/verdict.ts';

const unit = responseUnit();
const FIELDS = { ...RESPONSE_FIELD, chunked: FIELD.transfer_encoding, length: FIELD.content_length };
const WHY = Object.keys(UNJUDGED);

/** Names of what was seen but the status, the length, and why it is not judged. */
function told(head: string): string {
  const bytes = Buffer.from(`${head}rest`, 'latin1');
  const judgement = begin(unit);
  const taken = read(unit, judgement, bytes);
  if (judgement.verdict === JUDGED.unjudged) return `unjudged: ${WHY[judgement.why]}`;
  assert.equal(judgement.verdict, JUDGED.allowed);
  assert.equal(taken, bytes.length - 4);
  assert.ok(sees(judgement, RESPONSE_FIELD.status));
  const seen = Object.entries(FIELDS).filter(([name, field]) => name !== 'status' && sees(judgement, field));
  return [...seen.map(([name]) => name), judgement.contentLength].join(' ');
}

describe('responses', () => {
  for (const [head, expected] of [
    ['HTTP/1.1 200 OK\r\n\r\n', '0'],
    ['HTTP/1.1 200\r\n\r\n', '0'],
    ['HTTP/1.1 200 \r\n\r\n', '0'],
    ['HTTP/1.0 404 Not \xe9 found\r\nServer: a\r\ncontent-length: 12\r\n\r\n', 'length 12'],
    ['HTTP/1.1 500 a\r\nTransfer-Encoding: chunked\r\n\r\n', 'chunked 0'],
    ['HTTP/1.1 100 Continue\r\n\r\n', 'informational bodiless 0'],
    ['HTTP/1.1 199 a\r\n\r\n', 'informational bodiless 0'],
    ['HTTP/1.1 101 a\r\nUpgrade: h2c\r\n\r\n', 'informational switches bodiless 0'],
    ['HTTP/1.1 204 a\r\n\r\n', 'bodiless 0'],
    ['HTTP/1.1 304 a\r\nContent-Length: 7\r\n\r\n', 'bodiless length 7'],
    ['HTTP/1.1 205 a\r\nContent-Length: 0\r\n\r\n', 'length 0'],
    ['HTTP/1.0 200 a\r\nTransfer-Encoding: chunked\r\n\r\n', 'unjudged: framing'],
    ['HTTP/1.1 200 a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'unjudged: framing'],
    ['HTTP/1.1 200 a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n', 'unjudged: framing'],
    ['HTTP/1.1 200 a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 'unjudged: duplicate'],
    ['HTTP/1.1 200 a\r\nContent-Length: -1\r\n\r\n', 'unjudged: framing'],
    ['HTTP/1.1 20 a\r\n\r\n', 'unjudged: version'],
    ['HTTP/1.1 2000 a\r\n\r\n', 'unjudged: version'],
    ['HTTP/1.1 050 a\r\n\r\n', 'unjudged: version'],
    ['HTTP/2.0 200 a\r\n\r\n', 'unjudged: version'],
    ['ICY 200 a\r\n\r\n', 'unjudged: version'],
    ['\r\nHTTP/1.1 200 a\r\n\r\n', 'unjudged: version'],
    ['HTTP/1.1 200 a\n\n', 'unjudged: line_end'],
    ['HTTP/1.1 200 a\r\n b\r\n\r\n', 'unjudged: folded'],
  ] as const)
    it(JSON.stringify(head), () => assert.equal(told(head), expected));
});
