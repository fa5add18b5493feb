/** Character classes with a name: Perl's, POSIX's and Unicode's, as RE2 defines them. */
import { type Range, type Runes, runesOf, runesWhere } from './runes.ts';

const of = (...ranges: (string | number)[]): Runes =>
  runesOf(
    ranges.map((range): Range => {
      const text = typeof range === 'number' ? String.fromCodePoint(range) : range;
      return [text.charCodeAt(0), text.charCodeAt(text.length - 1)];
    }),
  );

/** By their letter. \s is without the vertical tab. */
export const PERL_CLASSES: ReadonlyMap<string, Runes> = new Map([
  ['d', of('09')],
  ['s', of('\t\n', '\f\r', ' ')],
  ['w', of('09', 'AZ', '_', 'az')],
]);

/** By what stands between `[:` and `:]`. ASCII, all of them. */
export const POSIX_CLASSES: ReadonlyMap<string, Runes> = new Map([
  ['alnum', of('09', 'AZ', 'az')],
  ['alpha', of('AZ', 'az')],
  ['ascii', of('\x00\x7f')],
  ['blank', of('\t', ' ')],
  ['cntrl', of('\x00\x1f', '\x7f')],
  ['digit', of('09')],
  ['graph', of('!~')],
  ['lower', of('az')],
  ['print', of(' ~')],
  ['punct', of('!/', ':@', '[`', '{~')],
  ['space', of('\t\r', ' ')],
  ['upper', of('AZ')],
  ['word', of('09', 'AZ', '_', 'az')],
  ['xdigit', of('09', 'AF', 'af')],
]);

const GENERAL_CATEGORY = /^(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/;
const SCRIPT = /^[A-Z][A-Za-z_]{2,40}$/;

const found = new Map<string, Runes | undefined>();

function find(name: string): Runes | undefined {
  if (name === 'Any') return [[0, 0x10ffff]];
  // RE2's C is without unassigned code points, Cn, which it does not know
  const property = name === 'C' ? '[\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}]' : `\\p{${name}}`;
  if (GENERAL_CATEGORY.test(name)) {
    const pattern = new RegExp(property, 'u');
    return runesWhere((text) => pattern.test(text));
  }
  if (!SCRIPT.test(name)) return undefined;
  try {
    const pattern = new RegExp(`\\p{Script=${name}}`, 'u');
    return runesWhere((text) => pattern.test(text));
  } catch {
    return undefined;
  }
}

/**
 * A general category or a script, of the Unicode version that Node has.
 * @returns undefined if there is none of that name
 */
export function unicodeClass(name: string): Runes | undefined {
  if (!found.has(name)) found.set(name, find(name));
  return found.get(name);
}
