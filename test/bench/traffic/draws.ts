/**
 * Numbers drawn from the seed, as SQL: a hash of what is drawn, of what it is for and of which one it is. The same numbers
 * on every run, in whatever order rows are made.
 */

/** Fixed before any codec was tuned; changing it changes every row. */
export const SEED = 7;

/** 64 random bits. @param which what they belong to, as SQL: one or several expressions with commas between */
export const bits = (what: string, which: string): string => `cityHash64(${SEED}, '${what}', ${which})`;

/** Uniform whole number from 0 to below `limit`. */
export const drawn = (what: string, which: string, limit: number | string): string =>
  `(${bits(what, which)} % ${limit})`;

/** Uniform number above 0, at most 1. */
export const share = (what: string, which: string): string => `((${drawn(what, which, 1_000_000)} + 1) / 1000000)`;

/** About log-normal: the sum of three uniform numbers is the exponent of two; at most 1.5 `doublings` off the median. */
export function spread(what: string, which: string, median: number | string, doublings: number): string {
  const draw = bits(what, which);
  // three numbers of 20 bits of one draw
  const sum = [0, 20, 40].map((shift) => `bitAnd(bitShiftRight(${draw}, ${shift}), 1048575)`).join(' + ');
  return `((${median}) * exp2(${doublings} * ((${sum}) / 1048576 - 1.5)))`;
}

/** Pareto: heavy-tailed above `least`; the smaller the shape, the heavier. */
export const heavy = (what: string, which: string, least: number, shape: number, most: number): string =>
  `least(${most}, ${least} * pow(${share(what, which)}, ${-1 / shape}))`;

/** One of the texts. */
export const pick = (texts: readonly string[], index: string): string =>
  `arrayElement([${texts.map((text) => `'${text}'`).join(', ')}], toUInt32((${index}) % ${texts.length}) + 1)`;
