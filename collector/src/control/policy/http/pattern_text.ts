/** A pattern's text, read code point by code point, and the escapes that stand for one code point. */
import { PatternError } from './pattern_error.ts';

const SINGLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ['a', 7],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['v', 11],
]);

export class PatternText {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** UTF-16 units read. */
  get position(): number {
    return this.#at;
  }

  get isOver(): boolean {
    return this.#at >= this.#pattern.length;
  }

  /** The next code point as text; empty at the end. */
  peek(): string {
    const rune = this.#pattern.codePointAt(this.#at);
    return rune === undefined ? '' : String.fromCodePoint(rune);
  }

  startsWith(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at);
  }

  next(): string {
    const rune = this.peek();
    this.#at += rune.length;
    return rune;
  }

  /** Reads the text if it stands here. */
  take(text: string): boolean {
    if (!this.startsWith(text)) return false;
    this.#at += text.length;
    return true;
  }

  /** Reads what the expression, a sticky one, finds here. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#pattern);
    if (found === null) return undefined;
    this.#at = expression.lastIndex;
    return found;
  }

  invalid(position: number, cause: string, nextStep: string): PatternError {
    return new PatternError('PatternInvalid', this.#pattern, position, cause, nextStep);
  }

  unsupported(position: number, cause: string): PatternError {
    const nextStep = 'write it without, as RE2 has it not: no automaton of bounded size could judge it';
    return new PatternError('PatternUnsupported', this.#pattern, position, cause, nextStep);
  }

  /** The code point of an escape whose backslash was read at `from`. */
  escape(from: number): number {
    const next = this.next();
    if (next === '') throw this.invalid(from, 'a backslash at the end', 'write \\\\ for a backslash');
    const single = SINGLE_ESCAPES.get(next);
    if (single !== undefined) return single;
    if (next === 'x') return this.#hexadecimal(from);
    if (/[0-7]/.test(next)) {
      const octal = next + (this.match(next === '0' ? /[0-7]{0,2}/y : /[0-7]{1,2}/y)?.[0] ?? '');
      if (octal.length > 1 || next === '0') return Number.parseInt(octal, 8);
    }
    if (/[1-9]/.test(next) || next === 'k')
      throw this.unsupported(from, `\\${next} refers back to what a group matched`);
    if (/[A-Za-z0-9]/.test(next) || next > '\x7f')
      throw this.invalid(from, `\\${next} is no escape`, `write ${next} without the backslash, or another escape`);
    return next.charCodeAt(0);
  }

  #hexadecimal(from: number): number {
    const digits = this.match(/\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2})/y);
    const rune = Number.parseInt(digits?.[1] ?? digits?.[2] ?? '', 16);
    if (rune <= 0x10ffff) return rune;
    throw this.invalid(from, '\\x without a code point', 'write \\x7F or \\x{10FFFF}');
  }
}
