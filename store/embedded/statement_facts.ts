/** What a span tells of a statement: what it does to which table, and its text without the values in it. */
import type { Token } from './tokens.ts';

export interface StatementFacts {
  /** First keyword, in capitals. */
  readonly keyword: string;
  /** Database that the statement itself names. */
  readonly database: string | undefined;
  /** First table that it reads, or the one that it writes. */
  readonly table: string | undefined;
  /** Every string and number replaced by `?`. */
  readonly text: string;
}

/** Words before the name of a table. */
const BEFORE_TABLE = new Set(['FROM', 'INTO', 'TABLE']);

/** Reads the facts off a statement and its tokens. */
export function statementFacts(sql: string, tokens: Iterable<Token>): StatementFacts {
  const all = [...tokens];
  const word = (token: Token | undefined) =>
    token?.kind === 'name' || token?.kind === 'quoted'
      ? sql.slice(token.start, token.end).replace(/^["`]|["`]$/g, '')
      : undefined;
  let at = all.findIndex(
    (token, index) =>
      token.kind === 'name' &&
      BEFORE_TABLE.has(token.text) &&
      !BEFORE_TABLE.has(all[index + 1]?.text ?? '') &&
      word(all[index + 1]) !== undefined &&
      // a name with a bracket behind it is a function, unless columns of an INSERT follow
      (token.text !== 'FROM' || all[index + 2]?.text !== '('),
  );
  at = at < 0 ? all.length : at + 1;
  const named = all[at + 1]?.text === '.' ? [word(all[at]), word(all[at + 2])] : [undefined, word(all[at])];
  let text = '';
  let end = 0;
  for (const token of all) {
    if (token.kind !== 'string' && token.kind !== 'number') continue;
    text += `${sql.slice(end, token.start)}?`;
    end = token.end;
  }
  const keyword = all.find((token) => token.text !== '(')?.text ?? '';
  return { keyword, database: named[0], table: named[1], text: text + sql.slice(end) };
}
