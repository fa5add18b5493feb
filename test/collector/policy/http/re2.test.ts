/**
 * Automata against RE2 itself, which is in ClickHouse: its match() searches a text for a pattern, and lets a dot match a
 * line feed, so that the pattern is anchored and the flag taken away.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { query } from 'chdb';
import { PatternError } from '../../../../collector/src/control/policy/http/pattern_error.ts';
import { randomOf } from '../../../bpf/http/exchange.ts';
import { attempted, compiled, matching } from './matching.ts';
import { CASES, REFUSED } from './re2_cases.ts';

const SEED = Number(process.env.PATTERN_SEED ?? 1);
const PATTERNS = Number(process.env.PATTERN_COUNT ?? 150);

type Random = ReturnType<typeof randomOf>;
const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

const bytes = (text: string | Uint8Array): string => `unhex('${Buffer.from(text).toString('hex')}')`;

/** @returns what RE2 says of each text, or why it refuses the pattern */
function re2(pattern: string, texts: readonly (string | Uint8Array)[]): boolean[] | string {
  try {
    // anchored, an unbalanced pattern might be balanced; a simple one is not compiled, but searched for
    query(`SELECT match('', ${bytes(`[b]|${pattern}`)})`, 'TSV');
    const end = /\\Q(?:(?!\\E)[\s\S])*$/.test(pattern) ? '\\E' : '';
    const anchored = bytes(`\\A(?-s:${pattern}${end})\\z`);
    return texts.map((text) => `${query(`SELECT match(${bytes(text)}, ${anchored})`, 'TSV')}`.trim() === '1');
  } catch (error) {
    return /cannot compile re2: .*, error: ([^.]*)/s.exec((error as Error).message)?.[1] ?? String(error);
  }
}

const ATOMS = [
  ...[
    'a',
    'b',
    'k',
    'K',
    's',
    '1',
    '_',
    '-',
    ' ',
    '\\n',
    'é',
    'É',
    'ſ',
    'ß',
    'σ',
    '€',
    '😀',
    'İ',
    '.',
    '\\.',
    '\\x41',
    '\\x{e9}',
    '\\101',
  ],
  ...[
    '[ab]',
    '[^ab]',
    '[a-k]',
    '[^é-😀]',
    '[]a]',
    '[^]a]',
    '[a-]',
    '[-a]',
    '[\\d-]',
    '[[:alpha:]-]',
    '[[:^word:]é]',
    '[\\W]',
    '[^\\S]',
  ],
  ...[
    '\\w',
    '\\W',
    '\\d',
    '\\D',
    '\\s',
    '\\S',
    '\\pL',
    '\\PL',
    '\\p{Lu}',
    '\\p{^Ll}',
    '\\p{Greek}',
    '\\C',
    '\\Qa.b\\E',
  ],
  ...[
    '[',
    ']',
    '{',
    '}',
    'a{',
    'a{,2}',
    '\\',
    '\\q',
    '\\1',
    '\\8',
    '(?=a)',
    '(?i',
    '[b-a]',
    '[[:nope:]]',
    '\\pX',
    '[^\\x00-\\x{10FFFF}]',
  ],
];
/** The first of them neither are refused nor stand for themselves. */
const PLAIN = ATOMS.indexOf('[');
const REPETITIONS = ['*', '+', '?', '*?', '+?', '??', '{2}', '{0,2}', '{1,}', '{2,3}?', '{0}', '**', '{2}{2}'];
const ASSERTIONS = ['^', '$', '\\b', '\\B', '\\A', '\\z'];
const GROUPS = ['(', '(?:', '(?i:', '(?s:', '(?m:', '(?-i:', '(?i-s:', '(?U:'];

function atom(random: Random, depth: number): string {
  const kind = random(depth > 0 ? 12 : 8);
  if (kind < 8) return random(6) === 0 ? pick(random, ATOMS) : ATOMS[random(PLAIN)]!;
  if (kind < 9) return pick(random, ASSERTIONS);
  if (kind < 10) return pick(random, ['(?i)', '(?s)', '(?m)', '(?-i)', '(?mi-s)']);
  return `${pick(random, GROUPS)}${choice(random, depth - 1)})`;
}

const sequence = (random: Random, depth: number): string =>
  times(random(4), () => atom(random, depth) + (random(3) === 0 ? pick(random, REPETITIONS) : '')).join('');

const choice = (random: Random, depth: number): string => times(1 + random(3), () => sequence(random, depth)).join('|');

const PIECES = [
  'a',
  'b',
  'k',
  'K',
  '\u212a',
  's',
  'ſ',
  '1',
  '_',
  '-',
  ' ',
  '\n',
  '\t',
  '\v',
  'é',
  'É',
  'ß',
  'ẞ',
  'σ',
  'ς',
  '€',
  '😀',
  '.',
  'A',
  'i',
  'ı',
];
/** No overlong sequences and no surrogates: RE2 takes some of them for code points. */
const BROKEN = [[0xff], [0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f]];

const text = (random: Random): Buffer =>
  Buffer.concat(
    times(random(6), () => (random(20) === 0 ? Buffer.from(pick(random, BROKEN)) : Buffer.from(pick(random, PIECES)))),
  );

function refusal(pattern: string): string {
  try {
    compiled([pattern]);
    return '';
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

describe('automata against RE2', () => {
  it('in every case of its documentation', () => {
    for (const [pattern, yes, no] of Object.values(CASES).flat())
      assert.deepEqual(re2(pattern, [...yes, ...no]), [...yes.map(() => true), ...no.map(() => false)], pattern);
  });

  it('in what it refuses', () => {
    // names of groups are not looked at where nobody asks for captures
    const refused = REFUSED.filter(([pattern]) => pattern !== '(?P<a>b)(?P<a>c)');
    for (const [pattern] of refused) assert.equal(typeof re2(pattern, []), 'string', `${pattern} is accepted`);
  });

  it('in patterns by chance', (t) => {
    const counts = { matched: 0, unmatched: 0, refused: 0 };
    for (let index = 0; index < PATTERNS; index += 1) {
      const random = randomOf(SEED * 700_000 + index);
      const pattern = choice(random, 2);
      const texts = times(8, () => text(random));
      const expected = re2(pattern, texts);
      if (typeof expected === 'string') {
        counts.refused += 1;
        assert.notEqual(refusal(pattern), '', `seed ${SEED} pattern ${index}: ${pattern}: RE2 says ${expected}`);
        continue;
      }
      assert.equal(refusal(pattern), '', `seed ${SEED} pattern ${index}: ${pattern}: RE2 accepts it`);
      const dfa = attempted([pattern]);
      if (dfa === undefined) continue;
      for (const [place, one] of texts.entries()) {
        const seen: boolean = matching(dfa, one).length === 1;
        counts[seen ? 'matched' : 'unmatched'] += 1;
        assert.equal(seen, expected[place], `seed ${SEED} pattern ${index}: ${pattern} on ${JSON.stringify(`${one}`)}`);
      }
    }
    t.diagnostic(JSON.stringify(counts));
    assert.ok(counts.matched > PATTERNS / 10 && counts.refused > PATTERNS / 10);
  });
});
