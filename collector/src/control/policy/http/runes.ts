/** Sets of code points, and which code points differ in case only. */

/** First and last code point. */
export type Range = readonly [first: number, last: number];

/** Ranges in ascending order; no two touch. */
export type Runes = readonly Range[];

export const LAST_RUNE = 0x10ffff;

/** The set of what is in any of these ranges. */
export function runesOf(ranges: Iterable<Range>): Runes {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** Everything else. */
export function complement(runes: Runes): Runes {
  const others: Range[] = [];
  let next = 0;
  for (const [first, last] of runes) {
    if (first > next) others.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST_RUNE) others.push([next, LAST_RUNE]);
  return others;
}

/** The code points for which the test is true. Asks for every one there is: about 50 ms. */
export function runesWhere(test: (text: string) => boolean): Runes {
  const ranges: Range[] = [];
  for (let rune = 0, first = -1; rune <= LAST_RUNE + 1; rune += 1) {
    const holds = rune <= LAST_RUNE && test(String.fromCodePoint(rune));
    if (holds && first < 0) first = rune;
    if (!holds && first >= 0) {
      ranges.push([first, rune - 1]);
      first = -1;
    }
  }
  return ranges;
}

let orbits: ReadonlyMap<number, readonly number[]> | undefined;

const single = (text: string, otherwise: number): number => {
  const rune = text.codePointAt(0) ?? otherwise;
  return String.fromCodePoint(rune) === text ? rune : otherwise;
};

/** Code points with others of the same simple case folding (Unicode's CaseFolding.txt, C and S), by each of them. */
function caseOrbits(): ReadonlyMap<number, readonly number[]> {
  if (orbits !== undefined) return orbits;
  const candidates = new Map<number, number[]>();
  for (const [first, last] of runesWhere((text) => /\p{Changes_When_Casemapped}/u.test(text)))
    for (let rune = first; rune <= last; rune += 1) {
      const upper = single(String.fromCodePoint(rune).toUpperCase(), rune);
      const key = single(String.fromCodePoint(upper).toLowerCase(), upper);
      const others = candidates.get(key);
      if (others === undefined) candidates.set(key, [rune]);
      else others.push(rune);
    }
  const found = new Map<number, readonly number[]>();
  for (const runes of candidates.values())
    for (const rune of runes) {
      // toUpperCase goes further than folding does: of dotless i, for one
      const same = new RegExp(`^\\u{${rune.toString(16)}}$`, 'iu');
      const orbit = runes.filter((other) => same.test(String.fromCodePoint(other)));
      if (orbit.length > 1) found.set(rune, orbit);
    }
  orbits = found;
  return found;
}

/** The set, and whatever differs from one of it in case only. */
export function foldCase(runes: Runes): Runes {
  const added: Range[] = [];
  for (const [rune, orbit] of caseOrbits())
    if (runes.some(([first, last]) => first <= rune && rune <= last))
      for (const other of orbit) added.push([other, other]);
  return runesOf([...runes, ...added]);
}
