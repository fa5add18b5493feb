/** What no statement from outside may do: reach files, networks and other processes through functions. */
import { EngineError } from './engine_error.ts';
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

/** What may stand between two words: anything but plain characters, and comments. */
const BLANK = '(?:[^!-~]|/\\*[^]*?\\*/|--[^\\n]*\\n|#[^\\n]*\\n)';

/**
 * SETTINGS of a query or of any query within it. `readonly = 1` does not hold the engine back from those of a subquery:
 * `SELECT * FROM (SELECT … SETTINGS readonly = 0)` runs.
 */
const SETTINGS = new RegExp(`(?<![A-Za-z0-9_$])settings${BLANK}+["\`\u201c]?(\\w+)["\`\u201d]?${BLANK}*=`, 'i');

/** Finds calls of refused functions. */
export class Refusals {
  readonly #names: ReadonlySet<string>;
  readonly #call: RegExp;

  /** @param tableFunctions every table function the engine has */
  constructor(tableFunctions: readonly string[]) {
    this.#names = new Set([
      ...OUTSIDE_SCALARS,
      ...tableFunctions.map((name) => name.toLowerCase()).filter((name) => !INSIDE.has(name)),
    ]);
    const names = [...this.#names].map((name) => name.replace(/\W/g, '\\$&')).join('|');
    // On the raw text, strings and comments included: what this lexer and the engine's might cut differently must not
    // be a way round it.
    this.#call = new RegExp(`(?<![A-Za-z0-9_$])(${names})["\`\u201d]?${BLANK}*\\(`, 'i');
  }

  /**
   * Refuses the statement if it calls such a function.
   * @throws EngineError 164 with the function's name
   */
  check(sql: string, found: readonly Token[] = [...tokens(sql)]): void {
    const call = this.#call.exec(sql)?.[1];
    if (call !== undefined) refuse(call);
    for (const [index, token] of found.entries()) {
      if (token.kind === 'quoted' && token.text.includes('\\') && found[index + 1]?.text === '(') refuse(token.text);
      if (token.text !== 'APPLY') continue;
      const argument = found[index + 1]?.text === '(' ? found[index + 2] : found[index + 1];
      const name = nameOf(argument)?.replace(/[^\x21-\x7e]/g, '');
      if (name !== undefined && (this.#names.has(name) || name.includes('\\'))) refuse(name);
    }
  }

  /**
   * Refuses a reader's statement that has settings of its own.
   * @throws EngineError 164 with the first setting's name
   */
  checkReader(sql: string): void {
    const name = SETTINGS.exec(sql)?.[1];
    if (name === undefined) return;
    throw new EngineError(164, `Cannot modify '${name}' setting in readonly mode: send it as a parameter of the URL`);
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

function refuse(name: string): never {
  throw new EngineError(
    164,
    `default: Not enough privileges: function ${name} reaches outside the store and is refused`,
  );
}
