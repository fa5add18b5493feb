/** Character classes: what stands between brackets, and the escapes that name a class. */
import { PERL_CLASSES, POSIX_CLASSES, unicodeClass } from './named_classes.ts';
import type { PatternText } from './pattern_text.ts';
import { complement, foldCase, type Range, type Runes, runesOf } from './runes.ts';

/** Folded before it is turned round: `(?i)\W` is without what differs from a word's byte in case only. */
const signed = (runes: Runes, negated: boolean, foldsCase: boolean): Runes => {
  const whole = foldsCase ? foldCase(runes) : runes;
  return negated ? complement(whole) : whole;
};

/**
 * Reads `\d`, `\pL`, `\p{Greek}` or the like if it stands here.
 * @throws PatternError if it names no class
 */
export function takeNamedEscape(text: PatternText, foldsCase: boolean): Runes | undefined {
  const from = text.position;
  const perl = text.match(/\\([dswDSW])/y)?.[1];
  if (perl !== undefined) {
    const letter = perl.toLowerCase();
    return signed(PERL_CLASSES.get(letter) ?? [], perl !== letter, foldsCase);
  }
  const unicode = text.match(/\\([pP])(?:\{(\^?)([^}]*)\}|([A-Za-z]))?/y);
  if (unicode === undefined) return undefined;
  const [, letter, caret, name = unicode[4] ?? ''] = unicode;
  const runes = unicodeClass(name);
  if (runes === undefined)
    throw text.invalid(from, `no Unicode class ${JSON.stringify(name)}`, 'name a category (Lu) or a script (Greek)');
  return signed(runes, (letter === 'P') !== (caret === '^'), foldsCase);
}

function takePosixClass(text: PatternText, foldsCase: boolean): Runes | undefined {
  const from = text.position;
  const named = text.match(/\[:(\^?)([^\]:]*):\]/y);
  if (named === undefined) return undefined;
  const runes = POSIX_CLASSES.get(named[2] ?? '');
  if (runes === undefined)
    throw text.invalid(from, `${named[0]} is no class`, `name one of ${[...POSIX_CLASSES.keys()].join(' ')}`);
  return signed(runes, named[1] === '^', foldsCase);
}

function bound(text: PatternText, begin: number): number {
  const from = text.position;
  if (text.isOver) throw text.invalid(begin, '[ without ]', 'close the class, or write \\[ for a bracket');
  const rune = text.next();
  return rune === '\\' ? text.escape(from) : (rune.codePointAt(0) ?? 0);
}

/** Reads a class whose opening bracket stands here. */
export function parseClass(text: PatternText, foldsCase: boolean): Runes {
  const begin = text.position;
  text.next();
  const negated = text.take('^');
  const ranges: Range[] = [];
  for (let isFirst = true; isFirst || !text.startsWith(']'); isFirst = false) {
    const named = takePosixClass(text, foldsCase) ?? takeNamedEscape(text, foldsCase);
    if (named !== undefined) {
      ranges.push(...named);
      continue;
    }
    const from = text.position;
    const first = bound(text, begin);
    let last = first;
    if (text.startsWith('-') && !text.startsWith('-]')) {
      text.next();
      last = bound(text, begin);
    }
    if (last < first) throw text.invalid(from, 'a range that ends before it begins', 'exchange its ends');
    ranges.push(...(foldsCase ? foldCase([[first, last]]) : ([[first, last]] as const)));
  }
  text.next();
  const runes = runesOf(ranges);
  return negated ? complement(runes) : runes;
}
