/** Patterns match, and are refused, as RE2 documents it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePattern } from '../../../../collector/src/control/policy/http/parse_pattern.ts';
import { PatternError } from '../../../../collector/src/control/policy/http/pattern_error.ts';
import { compiled, matches, matching } from './matching.ts';
import { CASES, REFUSED } from './re2_cases.ts';

describe('patterns match as RE2 documents it', () => {
  for (const [name, cases] of Object.entries(CASES))
    it(name, () => {
      for (const [pattern, yes, no] of cases) {
        const dfa = compiled([pattern]);
        for (const text of yes) assert.deepEqual(matching(dfa, text), [0], `${pattern} on ${JSON.stringify(text)}`);
        for (const text of no) assert.deepEqual(matching(dfa, text), [], `${pattern} on ${JSON.stringify(text)}`);
      }
    });

  it('bytes that are no UTF-8 are no code points', () => {
    for (const bytes of [
      [0xff],
      [0xc0, 0x80],
      [0xe0, 0x80, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xc3],
    ]) {
      assert.equal(matches('(?s).*', Uint8Array.from(bytes)), false, `${bytes}`);
      assert.equal(matches('\\C*', Uint8Array.from(bytes)), true, `${bytes}`);
    }
    assert.equal(matches('(?s).*', Uint8Array.from([0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80])), true);
  });
});

describe('what RE2 has not is refused', () => {
  for (const [pattern, reason, character] of REFUSED)
    it(pattern, () => {
      assert.throws(
        () => parsePattern(pattern),
        (error) => {
          assert.ok(error instanceof PatternError);
          assert.deepEqual([error.reason, (error.position ?? NaN) + 1], [reason, character], error.message);
          return error.message.startsWith(`pattern ${JSON.stringify(pattern)}, character ${character}: `);
        },
      );
    });

  it('half a surrogate pair, and four thousand characters and more', () => {
    assert.throws(() => parsePattern('\ud800'), { reason: 'PatternInvalid' });
    assert.throws(() => parsePattern('a'.repeat(4097)), { reason: 'PatternTooLarge' });
    assert.throws(() => parsePattern('('.repeat(300) + ')'.repeat(300)), { reason: 'PatternInvalid' });
  });
});
