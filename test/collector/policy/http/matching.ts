/** Patterns as the automaton judges them. */
import { type Dfa, dfaOf } from '../../../../collector/src/control/policy/http/dfa.ts';
import { parsePattern } from '../../../../collector/src/control/policy/http/parse_pattern.ts';

/** @returns undefined if they are too large together */
export const attempted = (patterns: readonly string[], foldsCase = false): Dfa | undefined =>
  dfaOf(patterns.map((pattern) => ({ pattern, tree: parsePattern(pattern, foldsCase) })));

export function compiled(patterns: readonly string[], foldsCase = false): Dfa {
  const dfa = attempted(patterns, foldsCase);
  if (dfa === undefined) throw new Error('too large');
  return dfa;
}

/** Indices of the patterns that match the whole text. */
export function matching(dfa: Dfa, text: string | Uint8Array): number[] {
  let state = 0;
  for (const byte of Buffer.from(text)) state = dfa.next[state * dfa.classes + dfa.classOf[byte]!]!;
  const accepted = dfa.accepts[state]!;
  return Array.from({ length: accepted.toString(2).length }, (_, index) => index).filter(
    (index) => ((accepted >> BigInt(index)) & 1n) === 1n,
  );
}

export const matches = (pattern: string, text: string | Uint8Array): boolean =>
  matching(compiled([pattern]), text).length === 1;
