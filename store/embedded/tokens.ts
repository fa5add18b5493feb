/** ClickHouse SQL cut into tokens: as much of its lexer as it takes to find clauses and function calls for certain. */

/**
 * What a token is. `name` is a bare word, `quoted` a name in quotes, `unclosed` all that stands behind a quote that is
 * not closed.
 */
export type TokenKind = 'name' | 'quoted' | 'string' | 'number' | 'sign' | 'unclosed';

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
const COMMENT_EDGE = /\/\*|\*\//g;
const NAME = /[A-Za-z_][\w$]*/y;
const NUMBER = /(?:0[xXbB][\w.]+|\d[\w.]*(?:[eE][+-]\d+)?)/y;
const HEREDOC_TAG = /\$\w*\$/y;
const QUOTED: Readonly<Record<string, RegExp>> = {
  "'": /'(?:[^'\\]|\\[\s\S]|'')*'/y,
  '"': /"(?:[^"\\]|\\[\s\S]|"")*"/y,
  '`': /`(?:[^`\\]|\\[\s\S]|``)*`/y,
  // Quotes that ClickHouse also takes from word processors.
  '\u2018': /\u2018[^\u2019]*\u2019/y,
  '\u201C': /\u201C[^\u201D]*\u201D/y,
};
const STRING_QUOTES = "'\u2018";

/**
 * Tokens from `start` on, one at a time; ends at the end of the text or with the token `unclosed`. Takes time in
 * proportion to the text, whatever stands in it: no expression begins anew at a place where it has failed.
 */
export function* tokens(sql: string, start = 0): Generator<Token> {
  let at = start;
  let depth = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const first = sql[at]!;
    const behind = behindComment(sql, at);
    if (behind !== at) {
      at = behind;
      continue;
    }
    const skipped = skip(first, take);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    const token = (kind: TokenKind, raw: string, text = raw): Token => {
      const made = { kind, text, start: at, end: at + raw.length, depth };
      at += raw.length;
      return made;
    };
    const quote = QUOTED[first];
    const tag = first === '$' ? take(HEREDOC_TAG) : undefined;
    if (quote !== undefined || tag !== undefined) {
      const raw = tag === undefined ? take(quote!) : heredoc(sql, at, tag);
      if (raw === undefined) {
        yield token('unclosed', sql.slice(at));
        return;
      }
      yield token(tag !== undefined || STRING_QUOTES.includes(first) ? 'string' : 'quoted', raw);
      continue;
    }
    if (first >= '0' && first <= '9') {
      yield token('number', take(NUMBER)!);
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

/** Where a comment in C's style that begins at `at` ends; `at` if none does. As in standard SQL one may hold others. */
export function behindComment(sql: string, at: number): number {
  if (sql[at] !== '/' || sql[at + 1] !== '*') return at;
  COMMENT_EDGE.lastIndex = at;
  for (let open = 0; ; ) {
    const edge = COMMENT_EDGE.exec(sql);
    if (edge === null) return sql.length;
    open += edge[0] === '/*' ? 1 : -1;
    if (open === 0) return COMMENT_EDGE.lastIndex;
  }
}

/** Blanks or the comment up to the end of a line, if they begin with this character. */
function skip(first: string, take: (pattern: RegExp) => string | undefined): string | undefined {
  if (first <= ' ' || first >= '\x80') return take(SPACE);
  return first === '-' || first === '#' ? take(LINE_COMMENT) : undefined;
}

/** From one tag to the next like it. */
function heredoc(sql: string, at: number, tag: string): string | undefined {
  const end = sql.indexOf(tag, at + tag.length);
  return end < 0 ? undefined : sql.slice(at, end + tag.length);
}

/** The name that a token stands for, in lower case and without quotes; undefined if it is no name. */
export function nameOf(token: Token | undefined): string | undefined {
  if (token?.kind === 'name') return token.text.toLowerCase();
  if (token?.kind === 'quoted') return token.text.slice(1, -1).toLowerCase();
  return undefined;
}
