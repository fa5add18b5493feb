/** The natively compiled parser against the slow, independent reading of the same bytes. */
import assert from 'node:assert/strict';
import { expectedOf } from '../../bpf/http/reference.ts';
import { type Entry, streamsOf } from '../support/corpus.ts';
import { replay } from './native.ts';

/** Sequence number of the first byte of both streams: soon wraps. */
export const FIRST = 0xfffff000;

/** @throws AssertionError for the first entry of which they say different things, with its bytes in base64 */
export function agree(entries: readonly Entry[]): void {
  const native = replay(entries);
  for (const [index, { name, bytes }] of entries.entries()) {
    const { requests, responses } = streamsOf(bytes);
    const expected = expectedOf(requests, responses, FIRST);
    assert.deepEqual(native[index], expected, `${name}: ${bytes.toString('base64')}`);
  }
}
