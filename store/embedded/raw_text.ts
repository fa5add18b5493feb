/** Blanks and comments of a statement's raw text, skipped in time that the text's length bounds. */
import { EngineError } from './engine_error.ts';
import { behindComment } from './tokens.ts';

/** How often, on average, a text may be walked over: comments within comments would else be walked over again and again. */
const MOST_WALKS = 16;

/** The text of one statement. */
export class RawText {
  readonly #sql: string;
  #left: number;

  constructor(sql: string) {
    this.#sql = sql;
    this.#left = MOST_WALKS * sql.length + 1024;
  }

  /**
   * First place from `at` on that is neither blank, nor beyond ASCII, nor within a comment.
   * @throws EngineError 62 if the text is made to take long
   */
  behindBlanks(at: number): number {
    let end = at;
    while (end < this.#sql.length) {
      const next = this.#behindOne(end);
      if (next === end) break;
      end = next;
    }
    this.#left -= end - at;
    if (this.#left < 0) throw new EngineError(62, 'Syntax error: too many comments: leave them out');
    return end;
  }

  #behindOne(at: number): number {
    const sql = this.#sql;
    const first = sql[at]!;
    if (first < '!' || first > '~') return at + 1;
    if (first === '#' || (first === '-' && sql[at + 1] === '-')) {
      const end = sql.indexOf('\n', at);
      return end < 0 ? sql.length : end + 1;
    }
    return behindComment(sql, at);
  }
}
