/** What no statement from outside may do: reach files, networks and other processes through functions. */
import { EngineError } from './engine_error.ts';
import { RawText } from './raw_text.ts';
import { nameOf, type Token, tokens } from './tokens.ts';

/** Table functions that stay inside the engine. All others, those of later engines too, are refused. */
const INSIDE = new Set([
  'format',
  'generate_series',
  'generaterandom',
  'generateseries',
  'merge',
  'mergetreeindex',
  'null',
  'numbers',
  'numbers_mt',
  'one',
  'primes',
  'values',
  'view',
  'zeros',
  'zeros_mt',
]);

/** Scalar functions that reach outside. */
const OUTSIDE_SCALARS = ['file', 'catboostevaluate', 'aiclassify', 'aiembed', 'aiextract', 'aigenerate', 'aitranslate'];

/** Their time grows with the product of two lengths, and the engine cannot stop them: readers may not call them. */
const UNSTOPPABLE = new Set([
  'arraylevenshteindistance',
  'arraylevenshteindistanceweighted',
  'arraysimilarity',
  'dameraulevenshteindistance',
  'editdistance',
  'editdistanceutf8',
  'jarosimilarity',
  'jarowinklersimilarity',
  'levenshteindistance',
  'levenshteindistanceutf8',
]);

const WORD = /(?<![A-Za-z0-9_$])[A-Za-z0-9_$]+/g;
/** A name behind the word SETTINGS, with the quotes it may have. */
const SETTING = /["`\u201c]?(\w+)["`\u201d]?/y;

/** Finds calls of refused functions. */
export class Refusals {
  readonly #names: ReadonlySet<string>;

  /** @param tableFunctions every table function the engine has */
  constructor(tableFunctions: readonly string[]) {
    this.#names = new Set([
      ...OUTSIDE_SCALARS,
      ...tableFunctions.map((name) => name.toLowerCase()).filter((name) => !INSIDE.has(name)),
    ]);
  }

  /**
   * Refuses the statement if it calls such a function.
   * @throws EngineError 164 with the function's name
   */
  check(sql: string, found: readonly Token[] = [...tokens(sql)]): void {
    this.#checkRaw(sql);
    for (const [index, token] of found.entries()) {
      if (token.kind === 'quoted' && token.text.includes('\\') && found[index + 1]?.text === '(') refuse(token.text);
      if (token.text !== 'APPLY') continue;
      const argument = found[index + 1]?.text === '(' ? found[index + 2] : found[index + 1];
      const name = nameOf(argument)?.replace(/[^\x21-\x7e]/g, '');
      if (name !== undefined && (this.#names.has(name) || name.includes('\\'))) refuse(name);
    }
  }

  /**
   * Refuses a reader's statement that names what cannot be stopped, or has settings of its own or of any query within it. `readonly = 1` does not hold the
   * engine back from those of a subquery: `SELECT * FROM (SELECT … SETTINGS readonly = 0)` runs.
   * @throws EngineError 164 with the name of the function or setting
   */
  checkReader(sql: string): void {
    const text = new RawText(sql);
    for (const { 0: word, index } of sql.matchAll(WORD)) {
      const name = word.toLowerCase();
      if (UNSTOPPABLE.has(name)) refuse(word, 'cannot be stopped while it runs');
      if (name !== 'settings') continue;
      const behind = index + word.length;
      SETTING.lastIndex = text.behindBlanks(behind);
      const setting = SETTING.lastIndex === behind ? null : SETTING.exec(sql);
      if (setting === null || sql[text.behindBlanks(setting.index + setting[0].length)] !== '=') continue;
      throw new EngineError(
        164,
        `Cannot modify '${setting[1]}' setting in readonly mode: send it as a parameter of the URL`,
      );
    }
  }

  /**
   * On the raw text, strings and comments included: what this lexer and the engine's might cut differently must not be a
   * way round it.
   */
  #checkRaw(sql: string): void {
    const text = new RawText(sql);
    for (const { 0: word, index } of sql.matchAll(WORD)) {
      if (!this.#names.has(word.toLowerCase())) continue;
      const behind = index + word.length;
      const unquoted = '"`\u201d'.includes(sql[behind] ?? ' ') ? behind + 1 : behind;
      if (sql[text.behindBlanks(unquoted)] === '(') refuse(word);
    }
  }

  /**
   * Both for the value of a setting that holds expressions in strings.
   * @throws EngineError 164
   */
  checkExpressions(value: string): void {
    const plain = value.replaceAll("\\'", "'").replaceAll('\\\\', '\\');
    if (plain.includes('\\')) throw new EngineError(164, `Escapes in filters are refused: write ${value} without them`);
    this.check(plain, []);
    this.checkReader(plain);
    for (const token of tokens(value)) {
      if (token.kind === 'string') this.check(token.text.slice(1, -1).replaceAll("\\'", "'").replaceAll("''", "'"));
    }
  }
}

function refuse(name: string, why = 'reaches outside the store'): never {
  throw new EngineError(164, `default: Not enough privileges: function ${name} ${why} and is refused`);
}
