/** A regular expression, parsed. What is captured and which match is preferred play no part in a full match. */
import type { Runes } from './runes.ts';

/** What must hold between two bytes. Words are ASCII words, as in RE2. */
export type Assertion = 'text begin' | 'text end' | 'line begin' | 'line end' | 'word boundary' | 'no word boundary';

export type Tree =
  | { readonly kind: 'runes'; readonly runes: Runes }
  | { readonly kind: 'any byte' }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly Tree[] }
  | { readonly kind: 'choice'; readonly parts: readonly Tree[] }
  /** `most` is Infinity where there is no bound. */
  | { readonly kind: 'repeat'; readonly part: Tree; readonly least: number; readonly most: number };

export const EMPTY: Tree = { kind: 'sequence', parts: [] };
