/** Ranges of code points as the byte sequences that UTF-8 writes them with. */
import type { Range, Runes } from './runes.ts';

/** A range for each byte: every combination of bytes within is a code point of the set. */
export type ByteSequence = readonly Range[];

/** Last code points of one, two, three and four bytes. */
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, 0x10ffff] as const;
/** Code points that UTF-8 does not write. */
const SURROGATES: Range = [0xd800, 0xdfff];

const bytesOf = (rune: number): Buffer => Buffer.from(String.fromCodePoint(rune));

function* sequencesOf(first: number, last: number): Generator<ByteSequence> {
  for (const end of LAST_OF_LENGTH)
    if (first <= end && end < last) {
      yield* sequencesOf(first, end);
      yield* sequencesOf(end + 1, last);
      return;
    }
  // all but the leading bytes must be free to be any continuation byte, or be the same in both ends
  const bytes = bytesOf(first).length;
  for (let bits = 6; bits < bytes * 6; bits += 6) {
    const block = 2 ** bits;
    if (Math.floor(first / block) === Math.floor(last / block)) continue;
    const head = Math.ceil(first / block) * block;
    const tail = Math.floor((last + 1) / block) * block;
    if (head !== first) {
      yield* sequencesOf(first, head - 1);
      yield* sequencesOf(head, last);
      return;
    }
    if (tail !== last + 1) {
      yield* sequencesOf(first, tail - 1);
      yield* sequencesOf(tail, last);
      return;
    }
  }
  const [from, to] = [bytesOf(first), bytesOf(last)];
  yield [...from].map((byte, index): Range => [byte, to[index] ?? byte]);
}

/** Of all code points of the set but surrogates, in ascending order. */
export function* byteSequences(runes: Runes): Generator<ByteSequence> {
  for (const [first, last] of runes) {
    const parts: Range[] = [
      [first, Math.min(last, SURROGATES[0] - 1)],
      [Math.max(first, SURROGATES[1] + 1), last],
    ];
    for (const [from, to] of parts) if (from <= to) yield* sequencesOf(from, to);
  }
}
