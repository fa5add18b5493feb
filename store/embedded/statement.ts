/** What a statement is and where its clauses stand, so that the front can route, refuse and complete it. */
import { EngineError } from './engine_error.ts';
import { nameOf, type Token, tokens } from './tokens.ts';

/** A statement that brings no rows along. */
export interface Statement {
  /** First keyword, in capitals; `SELECT` for one that begins with a bracket. */
  readonly keyword: string;
  /** Without trailing semicolon and comments. */
  readonly sql: string;
  /** Format its FORMAT clause names. */
  readonly format: string | undefined;
  /** Where FORMAT (or what follows the query) stands: INTO OUTFILE goes there. */
  readonly formatAt: number;
  /** Whether it answers with rows. */
  readonly answers: boolean;
  readonly tokens: readonly Token[];
}

/** An INSERT whose rows follow it. */
export interface InsertHead {
  /** Up to where the source of the rows goes. */
  readonly before: string;
  /** SETTINGS between there and FORMAT; may be empty. */
  readonly settings: string;
  readonly format: string;
  /** Where the rows begin. */
  readonly dataAt: number;
}

const ANSWERING = new Set(['SELECT', 'WITH', 'FROM', 'SHOW', 'DESCRIBE', 'DESC', 'EXISTS', 'EXPLAIN', 'CHECK']);

const CHANGING = new Set(
  'INSERT CREATE ALTER DROP DETACH ATTACH UNDROP RENAME EXCHANGE TRUNCATE DELETE UPDATE OPTIMIZE SYSTEM KILL SET USE GRANT REVOKE BACKUP RESTORE MOVE WATCH BEGIN COMMIT ROLLBACK EXECUTE PARALLEL'.split(
    ' ',
  ),
);

/** Whether the text begins with INSERT; undefined if there is too little of it to say. */
export function beginsWithInsert(text: string): boolean | undefined {
  const first = tokens(text).next().value;
  if (first === undefined || first.end === text.length) return undefined;
  return first.text === 'INSERT';
}

/**
 * Reads the head of an INSERT that brings its rows along.
 * @param text beginning of the statement
 * @param whole whether nothing follows text
 * @returns undefined if more text is needed, 'none' for INSERT … SELECT, which has no rows of its own
 * @throws EngineError 497 for INTO FUNCTION and FROM INFILE
 */
export function insertHead(text: string, whole: boolean): InsertHead | 'none' | undefined {
  let settingsAt: number | undefined;
  let previous: Token | undefined;
  for (const token of tokens(text)) {
    if (token.end === text.length && !whole) return undefined;
    if (token.depth === 0 && token.kind === 'name') {
      if (previous?.text === 'INTO' && token.text === 'FUNCTION') refuse('INSERT INTO FUNCTION');
      if (previous?.text === 'FROM' && token.text === 'INFILE') refuse('FROM INFILE');
      if (previous?.text === 'FORMAT') {
        const dataAt = dataStart(text, token);
        if (dataAt === text.length && !whole) return undefined;
        return head(text, settingsAt ?? previous.start, previous.start, text.slice(token.start, token.end), dataAt);
      }
      if (token.text === 'VALUES' && previous?.text !== 'INTO' && previous?.text !== 'TABLE') {
        return head(text, settingsAt ?? token.start, token.start, 'Values', token.end);
      }
      if (token.text === 'SELECT' || token.text === 'WITH' || token.text === 'WATCH') return 'none';
      if (token.text === 'SETTINGS') settingsAt = token.start;
    }
    previous = token;
  }
  return whole ? 'none' : undefined;
}

function head(text: string, sourceAt: number, formatAt: number, format: string, dataAt: number): InsertHead {
  return { before: text.slice(0, sourceAt), settings: text.slice(sourceAt, formatAt), format, dataAt };
}

/** Rows begin after the blanks up to and including the first line break that follows the format's name. */
function dataStart(text: string, token: Token): number {
  const gap = /^[ \t\v\f]*(?:;)?[ \t\v\f]*\r?\n?/.exec(text.slice(token.end, token.end + 64));
  return token.end + (gap?.[0].length ?? 0);
}

/**
 * Reads a statement that brings no rows along.
 * @throws EngineError 62 for none or several, 497 for INTO OUTFILE
 */
export function parseStatement(text: string): Statement {
  const found: Token[] = [];
  let ended = false;
  for (const token of tokens(text)) {
    if (token.text === ';') {
      ended = true;
      continue;
    }
    if (ended) throw new EngineError(62, 'Syntax error: Multi-statements are not allowed: send one at a time');
    if (token.kind === 'unclosed') {
      const near = token.text.slice(0, 40);
      throw new EngineError(62, `Syntax error: failed at position ${token.start + 1} (${near}): a quote is not closed`);
    }
    found.push(token);
  }
  const first = found.find((token) => token.text !== '(');
  if (first === undefined) throw new EngineError(62, 'Syntax error: Empty query: send a statement');
  const last = found.at(-1)!;
  if (!ANSWERING.has(first.text) && !CHANGING.has(first.text)) {
    const near = text.slice(first.start, first.start + 40);
    throw new EngineError(62, `Syntax error: failed at position ${first.start + 1} (${near}): no statement begins so`);
  }
  let formatAt = last.end;
  let format: string | undefined;
  let inserts = false;
  for (const [index, token] of found.entries()) {
    if (token.depth !== 0 || token.kind !== 'name') continue;
    const next = found[index + 1];
    if (token.text === 'INTO' && next?.text === 'OUTFILE') refuse('INTO OUTFILE');
    if (token.text === 'INSERT' && index === 0) inserts = true;
    const after = found[index + 2];
    const ends = after === undefined || after.text === 'SETTINGS';
    if (token.text === 'FORMAT' && nameOf(next) !== undefined && ends) {
      format = text.slice(next!.start, next!.end);
      formatAt = token.start;
    }
  }
  return {
    keyword: first.text,
    sql: text.slice(0, last.end),
    format,
    formatAt,
    answers: !inserts && ANSWERING.has(first.text),
    tokens: found,
  };
}

function refuse(what: string): never {
  throw new EngineError(497, `default: Not enough privileges: ${what} is not allowed over HTTP`);
}
