/**
 * Regular expressions in RE2's syntax, https://github.com/google/re2/wiki/Syntax, read as RE2 reads them in UTF-8 mode
 * with its default options, which are Envoy's.
 */
import { parseClass, takeNamedEscape } from './parse_class.ts';
import { PatternError } from './pattern_error.ts';
import { PatternText } from './pattern_text.ts';
import { complement, foldCase } from './runes.ts';
import { type Assertion, EMPTY, type Tree } from './syntax_tree.ts';

/** UTF-16 units. */
export const PATTERN_LENGTH_MAX = 4096;
/** RE2's bound of one repetition, and of the product of those that stand within each other. */
const REPEAT_MAX = 1000;
const DEPTH_MAX = 200;

interface Flags {
  /** i: letters match in either case. */
  readonly foldsCase: boolean;
  /** m: ^ and $ match at lines as well. */
  readonly hasLines: boolean;
  /** s: a dot matches a line feed. */
  readonly dotsAll: boolean;
}

const FLAGS: ReadonlyMap<string, keyof Flags | undefined> = new Map([
  ['i', 'foldsCase'],
  ['m', 'hasLines'],
  ['s', 'dotsAll'],
  // which of two matches is preferred plays no part in a full match
  ['U', undefined],
]);

const ESCAPED_ASSERTIONS: ReadonlyMap<string, Assertion> = new Map([
  ['A', 'text begin'],
  ['z', 'text end'],
  ['b', 'word boundary'],
  ['B', 'no word boundary'],
]);

const runesTree = (rune: number, { foldsCase }: Flags): Tree => ({
  kind: 'runes',
  runes: foldsCase ? foldCase([[rune, rune]]) : [[rune, rune]],
});

/** What is left of REPEAT_MAX within the repetitions of a tree. */
function fits(tree: Tree, left: number): boolean {
  if (tree.kind === 'sequence' || tree.kind === 'choice') return tree.parts.every((part) => fits(part, left));
  if (tree.kind !== 'repeat') return true;
  const times = tree.most === Infinity ? tree.least : tree.most;
  const rest = times > 0 ? Math.floor(left / times) : left;
  return rest > 0 && fits(tree.part, rest);
}

class Parser {
  readonly #text: PatternText;
  readonly #names = new Set<string>();
  #flags: Flags;
  #depth = 0;

  constructor(text: PatternText, foldsCase: boolean) {
    this.#text = text;
    this.#flags = { foldsCase, hasLines: false, dotsAll: false };
  }

  parse(): Tree {
    const tree = this.#choice();
    if (!this.#text.isOver)
      throw this.#text.invalid(this.#text.position, ') without (', 'remove it, or write \\) for a parenthesis');
    if (!fits(tree, REPEAT_MAX))
      throw this.#text.invalid(0, `repetitions of more than ${REPEAT_MAX} in all`, 'repeat less often, or write *');
    return tree;
  }

  /** Up to the end, or to a closing parenthesis. Flags set within hold to there. */
  #choice(): Tree {
    const flags = this.#flags;
    const parts = [this.#sequence()];
    while (this.#text.take('|')) parts.push(this.#sequence());
    this.#flags = flags;
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts };
  }

  #sequence(): Tree {
    const parts: Tree[] = [];
    while (!this.#text.isOver && !this.#text.startsWith('|') && !this.#text.startsWith(')')) {
      const literals = this.#quoted();
      if (literals !== undefined) parts.push(...literals);
      // flags alone are nothing: a repetition behind them is one of what is before them
      else if (!this.#takeFlags()) parts.push(this.#atom());
      const last = parts.pop();
      if (last !== undefined) parts.push(this.#repeated(last));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'sequence', parts };
  }

  /** `\Q...\E` */
  #quoted(): Tree[] | undefined {
    const quoted = this.#text.match(/\\Q([\s\S]*?)(?:\\E|$)/y)?.[1];
    return quoted === undefined ? undefined : [...quoted].map((one) => runesTree(one.codePointAt(0) ?? 0, this.#flags));
  }

  /** `(?i-s)`: holds for what follows in the same group. */
  #takeFlags(): boolean {
    const set = this.#text.match(/\(\?([imsU]*)(?:-([imsU]+))?\)/y);
    if (set !== undefined) this.#setFlags(set[1], set[2]);
    return set !== undefined;
  }

  #setFlags(on = '', off = ''): void {
    for (const [letters, value] of [[on, true] as const, [off, false] as const])
      for (const letter of letters) {
        const flag = FLAGS.get(letter);
        if (flag !== undefined) this.#flags = { ...this.#flags, [flag]: value };
      }
  }

  #repetition(): { least: number; most: number } | undefined {
    const text = this.#text;
    const from = text.position;
    const sign = text.match(/[*+?]/y)?.[0];
    if (sign !== undefined) return { least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : Infinity };
    // whatever else begins with a brace is that brace
    const bounds = text.match(/\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}/y);
    if (bounds === undefined) return undefined;
    const least = Number(bounds[1]);
    const most = bounds[2] === undefined ? least : Number(bounds[3] ?? Infinity);
    if (least > REPEAT_MAX || (most > REPEAT_MAX && most !== Infinity) || most < least)
      throw text.invalid(from, `${bounds[0]} is no repetition`, `write {least,most}, at most ${REPEAT_MAX}`);
    return { least, most };
  }

  #repeated(part: Tree): Tree {
    const times = this.#repetition();
    if (times === undefined) return part;
    this.#text.take('?');
    const from = this.#text.position;
    if (this.#text.startsWith('+'))
      throw this.#text.unsupported(from, 'a repetition that gives nothing back (possessive)');
    if (this.#repetition() !== undefined)
      throw this.#text.invalid(from, 'a repetition of a repetition', 'put the first into a group: (?:a*)+');
    return { kind: 'repeat', part, ...times };
  }

  #atom(): Tree {
    const text = this.#text;
    const from = text.position;
    if (text.startsWith('(')) return this.#group();
    if (text.startsWith('[')) return { kind: 'runes', runes: parseClass(text, this.#flags.foldsCase) };
    if (text.startsWith('\\')) return this.#escaped();
    if (this.#repetition() !== undefined)
      throw text.invalid(from, 'nothing to repeat', 'write what is to be repeated before it, or escape it');
    const next = text.next();
    if (next === '.') return { kind: 'runes', runes: complement(this.#flags.dotsAll ? [] : [[10, 10]]) };
    if (next === '^') return { kind: 'assertion', assertion: this.#flags.hasLines ? 'line begin' : 'text begin' };
    if (next === '$') return { kind: 'assertion', assertion: this.#flags.hasLines ? 'line end' : 'text end' };
    return runesTree(next.codePointAt(0) ?? 0, this.#flags);
  }

  #escaped(): Tree {
    const text = this.#text;
    const from = text.position;
    const assertion = ESCAPED_ASSERTIONS.get(text.match(/\\([AzbB])/y)?.[1] ?? '');
    if (assertion !== undefined) return { kind: 'assertion', assertion };
    if (text.take('\\C')) return { kind: 'any byte' };
    const runes = takeNamedEscape(text, this.#flags.foldsCase);
    if (runes !== undefined) return { kind: 'runes', runes };
    text.next();
    return runesTree(text.escape(from), this.#flags);
  }

  #group(): Tree {
    const text = this.#text;
    const from = text.position;
    const flags = this.#flags;
    text.next();
    if (text.startsWith('?')) this.#openGroup(from);
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX)
      throw text.invalid(from, `more than ${DEPTH_MAX} groups within each other`, 'write fewer groups');
    const tree = this.#choice();
    this.#depth -= 1;
    this.#flags = flags;
    if (!text.take(')')) throw text.invalid(from, '( without )', 'close the group, or write \\( for a parenthesis');
    return tree;
  }

  /** `?:`, `?i-s:`, `?P<name>`, `?<name>` */
  #openGroup(from: number): void {
    const text = this.#text;
    const look = text.match(/\?(?:<?[=!]|>)/y)?.[0];
    if (look === '?>') throw text.unsupported(from, 'a group that gives nothing back (atomic)');
    if (look !== undefined) throw text.unsupported(from, `look-around, (${look}...)`);
    if (text.match(/\?(?:\(|P[=>]|R|&|\|)/y) !== undefined)
      throw text.unsupported(from, 'a condition, a recursion or a reference to a group');
    const set = text.match(/\?([imsU]*)(?:-([imsU]+))?:/y);
    if (set !== undefined) {
      this.#setFlags(set[1], set[2]);
      return;
    }
    const name = text.match(/\?P?<([0-9A-Za-z_]+)>/y)?.[1];
    if (name === undefined)
      throw text.invalid(from, 'a group of no known kind', 'write (...), (?:...) or (?P<name>...)');
    if (this.#names.has(name)) throw text.invalid(from, `two groups of the name ${name}`, 'give one another name');
    this.#names.add(name);
  }
}

/**
 * @param foldsCase letters match in either case, as if the pattern began with (?i)
 * @throws PatternError
 */
export function parsePattern(pattern: string, foldsCase = false): Tree {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    const cause = `${pattern.length} characters`;
    throw new PatternError('PatternTooLarge', pattern, undefined, cause, `write at most ${PATTERN_LENGTH_MAX}`);
  }
  if (!pattern.isWellFormed())
    throw new PatternError('PatternInvalid', pattern, undefined, 'half a character', 'write well-formed Unicode');
  return pattern === '' ? EMPTY : new Parser(new PatternText(pattern), foldsCase).parse();
}
