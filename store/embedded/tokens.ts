/** ClickHouse SQL cut into tokens: as much of its lexer as it takes to find clauses and function calls for certain. */

/** What a token is. `name` is a bare word, `quoted` a name in quotes. */
export type TokenKind = 'name' | 'quoted' | 'string' | 'number' | 'sign';

/** One token of a statement; comments and blanks are left out. */
export interface Token {
  readonly kind: TokenKind;
  /** Bare words in capitals; quoted names and strings as they stand, quotes included; else the sign. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many brackets are open before it. */
  readonly depth: number;
}

/** Blanks, and all that ClickHouse takes for blanks or for errors: anything beyond ASCII but its curly quotes. */
const SPACE = /(?:\s|\0|(?![\u2018\u201C])[\u0080-\uffff])+/y;
const LINE_COMMENT = /(?:--|#!|# )[^\n]*/y;
const BLOCK_COMMENT = /\/\*[\s\S]*?(?:\*\/|$)/y;
const NAME = /[A-Za-z_][\w$]*/y;
const NUMBER = /(?:0[xXbB][\w.]+|\d[\w.]*(?:[eE][+-]\d+)?)/y;
const HEREDOC = /\$(\w*)\$[\s\S]*?\$\1\$/y;
const QUOTED: Readonly<Record<string, RegExp>> = {
  "'": /'(?:[^'\\]|\\[\s\S]|'')*'/y,
  '"': /"(?:[^"\\]|\\[\s\S]|"")*"/y,
  '`': /`(?:[^`\\]|\\[\s\S]|``)*`/y,
};
/** Quotes that ClickHouse also takes from word processors. */
const CURLY_STRING = /\u2018[^\u2019]*\u2019/y;
const CURLY_NAME = /\u201C[^\u201D]*\u201D/y;

/** Tokens from `start` on, one at a time; ends at the end of the text or at a quote that is not closed. */
export function* tokens(sql: string, start = 0): Generator<Token> {
  let at = start;
  let depth = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const skipped = take(SPACE) ?? take(LINE_COMMENT) ?? take(BLOCK_COMMENT);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    const first = sql[at]!;
    const token = (kind: TokenKind, raw: string, text = raw): Token => {
      const made = { kind, text, start: at, end: at + raw.length, depth };
      at += raw.length;
      return made;
    };
    const quote = QUOTED[first];
    if (quote !== undefined) {
      const raw = take(quote);
      if (raw === undefined) return;
      yield token(first === "'" ? 'string' : 'quoted', raw);
      continue;
    }
    const heredoc = first === '$' ? take(HEREDOC) : undefined;
    const text = heredoc ?? take(CURLY_STRING);
    if (text !== undefined) {
      yield token('string', text);
      continue;
    }
    const curly = take(CURLY_NAME);
    if (curly !== undefined) {
      yield token('quoted', curly);
      continue;
    }
    const number = take(NUMBER);
    if (number !== undefined) {
      yield token('number', number);
      continue;
    }
    const name = take(NAME);
    if (name !== undefined) {
      yield token('name', name, name.toUpperCase());
      continue;
    }
    if (')]}'.includes(first)) depth = Math.max(0, depth - 1);
    yield token('sign', first);
    if ('([{'.includes(first)) depth++;
  }
}

/** The name that a token stands for, in lower case and without quotes; undefined if it is no name. */
export function nameOf(token: Token | undefined): string | undefined {
  if (token?.kind === 'name') return token.text.toLowerCase();
  if (token?.kind === 'quoted') return token.text.slice(1, -1).toLowerCase();
  return undefined;
}
