/** Automata against JavaScript's own regular expressions, where both mean the same; and what they cost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomOf } from '../../../bpf/http/exchange.ts';
import { attempted, compiled, matches, matching } from './matching.ts';

type Random = ReturnType<typeof randomOf>;

const SEED = Number(process.env.PATTERN_SEED ?? 1);
const PATTERNS = Number(process.env.PATTERN_COUNT ?? 300);
const TEXTS = 24;

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** Bytes of one, two, three and four to a character; what is a word, and what is not. */
const LETTERS = ['a', 'b', 'A', '/', '-', '1', ' ', 'é', 'É', '€', '😀', 'ß'];
const CLASSES = ['[ab]', '[^a/]', '[a-z]', '[^é-😀]', '\\w', '\\W', '\\d', '\\D', '[\\d/]', '.', '[^\\w]', '[á-ü]'];
const REPETITIONS = ['*', '+', '?', '*?', '+?', '??', '{2}', '{0,2}', '{1,}', '{2,3}?'];
const ASSERTIONS = ['^', '$', '\\b', '\\B'];

function atom(random: Random, depth: number): string {
  const kind = random(depth > 0 ? 12 : 8);
  if (kind < 5) return pick(random, LETTERS);
  if (kind < 8) return pick(random, CLASSES);
  if (kind < 9) return pick(random, ASSERTIONS);
  return `${pick(random, ['(', '(?:'])}${choice(random, depth - 1)})`;
}

function sequence(random: Random, depth: number): string {
  return times(random(4), () => {
    const part = atom(random, depth);
    return random(3) === 0 && !ASSERTIONS.includes(part) ? part + pick(random, REPETITIONS) : part;
  }).join('');
}

function choice(random: Random, depth: number): string {
  return times(1 + random(3), () => sequence(random, depth)).join('|');
}

/** The slash must be escaped for neither; \w does not fold beyond ASCII with JavaScript's u flag unless i is set. */
const expression = (pattern: string, flags: string): RegExp => new RegExp(`^(?:${pattern})$`, flags);

const text = (random: Random): string => times(random(9), () => pick(random, LETTERS)).join('');

function differential(name: string, flags: string, foldsCase: boolean, prefix: string): void {
  it(name, () => {
    let matched = 0;
    let refused = 0;
    for (let index = 0; index < PATTERNS; index += 1) {
      const random = randomOf(SEED * 100_000 + index);
      const pattern = choice(random, 3);
      const expected = expression(pattern, flags);
      const dfa = attempted([prefix + pattern], foldsCase);
      if (dfa === undefined) {
        refused += 1;
        continue;
      }
      for (let count = 0; count < TEXTS; count += 1) {
        const asked = text(random);
        const seen: boolean = matching(dfa, asked).length === 1;
        if (seen) matched += 1;
        assert.equal(
          seen,
          expected.test(asked),
          `seed ${SEED} pattern ${index}: ${pattern} on ${JSON.stringify(asked)}`,
        );
      }
    }
    assert.ok(matched > PATTERNS / 2, `${matched} texts matched`);
    assert.ok(refused < PATTERNS / 50, `${refused} patterns refused`);
  });
}

describe('automata against RegExp', () => {
  differential('as they stand', 'u', false, '');
  differential('a dot for everything', 'us', false, '(?s)');
  differential('in either case', 'iu', true, '');
  differential('line by line', 'mu', false, '(?m)');

  it('many patterns at once say what each says alone', () => {
    let refused = 0;
    for (let index = 0; index < PATTERNS / 15; index += 1) {
      const random = randomOf(SEED * 200_000 + index);
      const patterns = times(2 + random(40), () => choice(random, 1));
      const dfa = attempted(patterns);
      if (dfa === undefined) {
        refused += 1;
        continue;
      }
      for (let count = 0; count < TEXTS; count += 1) {
        const asked = text(random);
        const expected = patterns.flatMap((pattern, place) => (expression(pattern, 'u').test(asked) ? [place] : []));
        assert.deepEqual(matching(dfa, asked), expected, `${JSON.stringify(asked)} of ${patterns.join('   ')}`);
      }
    }
    assert.ok(refused < PATTERNS / 60, `${refused} sets of patterns refused`);
  });
});

describe('what an automaton comes to', () => {
  it('has as few states as the language needs', () => {
    // by hand: dead, and one for each count of characters read
    const sizes: readonly (readonly [string, number])[] = [
      ['abc', 5],
      ['(?s).*', 9],
      ['[\\x00-\\x7f]*', 2],
      ['(?:a|b|ab)*', 2],
      ['(?:(?:a*)*)*', 2],
      ['a{3,5}', 7],
      ['(?:a|b)*a(?:a|b){3}', 17],
    ];
    for (const [pattern, states] of sizes) assert.equal(compiled([pattern]).accepts.length, states, pattern);
  });

  it('is the same table, however the language is written', () => {
    const same = ['a(?:b|c)+d?', '(?:ab|ac)(?:b|c)*(?:d|)', 'a[bc][b-c]*?d{0,1}', '(?:a[bc]+d)|(?:a[cb]+)'];
    for (const other of same) assert.deepEqual(compiled([other]), compiled(same.slice(0, 1)), other);
  });

  it('is found in time where backtracking is not', () => {
    const began = performance.now();
    const long = 'a'.repeat(20_000);
    assert.equal(matches('(?:a+)+b', long), false);
    assert.equal(matches('(?:a|aa)+', long), true);
    assert.equal(matches('(?:a?){300}a{300}', 'a'.repeat(300)), true);
    assert.equal(matches('(?:.*a){8}', long), true);
    assert.equal(matches('(?:(?:(?:a*)*)*)*b', long), false);
    assert.ok(performance.now() - began < 20_000);
  });

  it('is refused where it would be too large', () => {
    assert.throws(() => compiled(['(?:a|b)*a(?:a|b){20}']), /too large/);
    assert.throws(() => compiled(['(?:\\pL{100}){10}']), { reason: 'PatternTooLarge' });
  });
});
