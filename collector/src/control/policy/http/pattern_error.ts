/** Why a pattern is refused. */
export type PatternReason =
  /** It is not a regular expression of RE2's syntax. */
  | 'PatternInvalid'
  /** It asks for what RE2 leaves out, because no automaton has it: look-around, back-references, possessive repetition. */
  | 'PatternUnsupported'
  /** Its automaton would be larger than the kernel's table. */
  | 'PatternTooLarge';

/** A pattern that is refused: which one, where in it, why, and what to write instead. */
export class PatternError extends Error {
  readonly reason: PatternReason;
  readonly pattern: string;
  /** UTF-16 units from the pattern's beginning; undefined if it is about the whole of it. */
  readonly position: number | undefined;

  constructor(reason: PatternReason, pattern: string, position: number | undefined, cause: string, nextStep: string) {
    const where = position === undefined ? '' : `, character ${position + 1}`;
    super(`pattern ${JSON.stringify(pattern)}${where}: ${cause}: ${nextStep}`);
    this.name = 'PatternError';
    this.reason = reason;
    this.pattern = pattern;
    this.position = position;
  }
}
