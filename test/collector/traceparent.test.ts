import assert from 'node:assert/strict';
import test from 'node:test';
import { Arena } from '../../collector/src/batch/arena.ts';
import { Traceparent } from '../../collector/src/correlate/requests/traceparent.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

function read(header: string) {
  const arena = new Arena(1024);
  const trace = new Traceparent(arena);
  const at = arena.keep(Buffer.from(header, 'latin1'));
  trace.read(at, at + header.length);
  return { valid: trace.valid, flags: trace.flags, ids: arena.bytes.toString('hex', trace.ids, trace.ids + 24) };
}

test('valid headers of this and of later versions', () => {
  for (const [header, flags] of [
    [`00-${TRACE}-${PARENT}-01`, 1],
    [`00-${TRACE}-${PARENT}-00`, 0],
    [`00-${TRACE}-${PARENT}-ff`, 255],
    [` \t00-${TRACE}-${PARENT}-03 `, 3],
    [`01-${TRACE}-${PARENT}-02`, 2],
    [`cc-${TRACE}-${PARENT}-01-what-the-future-brings`, 1],
  ] as const) {
    assert.deepEqual(read(header), { valid: true, flags, ids: TRACE + PARENT }, header);
  }
});

test('whatever is not valid is as if it had not been sent', () => {
  for (const header of [
    '',
    '00',
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-`,
    `00-${TRACE}-${PARENT}-01-extra`,
    `01-${TRACE}-${PARENT}-01x`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT.toUpperCase()}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-0A`,
    `00-${TRACE}-${PARENT}-0`,
    `0x-${TRACE}-${PARENT}-01`,
    `00_${TRACE}-${PARENT}-01`,
    `00-${TRACE}_${PARENT}-01`,
    `00-${TRACE.slice(1)}g-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01,00-${TRACE}-${PARENT}-01`,
  ]) {
    assert.deepEqual(read(header), { valid: false, flags: 0, ids: '00'.repeat(24) }, header);
  }
});
