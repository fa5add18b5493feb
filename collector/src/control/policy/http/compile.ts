/** HTTP rules of one policy as units. */
import { dfaOf, type ParsedPattern } from './dfa.ts';
import { type Demand, FIELD, FIELDS_MAX, type Field, fieldOf, RULES_MAX, WELL_FORMED } from './fields.ts';
import { Nfa } from './nfa.ts';
import { parsePattern } from './parse_pattern.ts';
import { PatternError } from './pattern_error.ts';
import type { HeaderRule, HttpRule, RuleRefusal } from './rules.ts';
import { type HttpUnit, TRANSITIONS_MAX, unitOf } from './unit.ts';

/** A unit, and which of the given rules its bits are. */
export interface CompiledRules {
  readonly unit: HttpUnit;
  /** Index of the first; the others follow it. */
  readonly first: number;
  readonly count: number;
}

export interface Compiled {
  /** A request is allowed if one of them allows it. None where a rule is refused. */
  readonly units: readonly CompiledRules[];
  readonly refusals: readonly RuleRefusal[];
}

/** What a rule demands: of `method`, `target`, or a header by its lower-case name. */
export interface RuleDemand extends Omit<Demand, 'rule'> {
  readonly of: string;
  /** Where in the rule. */
  readonly field: string;
}

const HEADER_NAME = /^[!#$%&'*+\-.^`|~0-9A-Za-z]{1,128}$/;
const HEADERS_MAX = 16;
/** Each state of a field's automaton is a row of the table at least: what has more is not tried. */
export const FIELD_STATES_MAX = TRANSITIONS_MAX / 16;
/** Each of them reads every head. */
export const UNITS_MAX = 8;

/** @throws PatternError if it comes to too many states before any automaton is built */
function checked(demand: RuleDemand): RuleDemand {
  new Nfa().add(demand.tree, demand.pattern);
  return demand;
}

function headerDemand({ name, value, pattern }: HeaderRule, field: string): RuleDemand | RuleRefusal {
  const refusal = (reason: string, message: string): RuleRefusal => ({ rule: 0, field, reason, message });
  if (!HEADER_NAME.test(name))
    return refusal(
      'HeaderNameInvalid',
      `header ${JSON.stringify(name)}: the name is no token of 1 to 128 characters without underscores, which nginx ignores: name it as clients send it`,
    );
  if (value !== undefined && pattern !== undefined)
    return refusal('HeaderValueAmbiguous', `header ${name}: a value and a pattern: give one of them`);
  if (value !== undefined && value !== value.trim())
    return refusal('HeaderValueInvalid', `header ${name}: blanks around a value are no part of it: leave them out`);
  const text = pattern ?? (value === undefined ? '\\C*' : value.replace(/[^A-Za-z0-9\u0080-\u{10ffff}]/gu, '\\$&'));
  return checked({ of: name.toLowerCase(), field, pattern: text, tree: parsePattern(text) });
}

/** @returns what it demands, and why it is refused if it is; neither takes long */
export function demandsOf(rule: HttpRule): (RuleDemand | RuleRefusal)[] {
  const found: (RuleDemand | RuleRefusal)[] = [];
  const attempt = (field: string, make: () => RuleDemand | RuleRefusal): void => {
    try {
      found.push(make());
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      found.push({ rule: 0, field, reason: error.reason, message: error.message });
    }
  };
  const add = (field: string, of: string, pattern: string | undefined, foldsCase = false): void => {
    if (pattern !== undefined && pattern !== '')
      attempt(field, () => checked({ of, field, pattern, tree: parsePattern(pattern, foldsCase) }));
  };
  add('method', 'method', rule.method);
  add('path', 'target', rule.path);
  add('host', 'host', rule.host, true);
  const headers = rule.headers ?? [];
  if (headers.length > HEADERS_MAX)
    found.push({
      rule: 0,
      field: 'headers',
      reason: 'HeadersTooMany',
      message: `${headers.length} headers: name at most ${HEADERS_MAX}`,
    });
  else
    for (const [index, header] of headers.entries())
      attempt(`headers[${index}]`, () => headerDemand(header, `headers[${index}]`));
  return found;
}

export const isRefusal = (found: RuleDemand | RuleRefusal): found is RuleRefusal => 'reason' in found;

/** Fields that are told apart whatever the rules are: number, and what a value must be. */
const FIXED: ReadonlyMap<string, readonly [number: number, wellFormed?: ParsedPattern]> = new Map([
  ['method', [FIELD.method]],
  ['target', [FIELD.target]],
  ['host', [FIELD.host, WELL_FORMED.host]],
  ['content-length', [FIELD.content_length, WELL_FORMED.content_length]],
  ['transfer-encoding', [FIELD.transfer_encoding, WELL_FORMED.transfer_encoding]],
  ['upgrade', [FIELD.upgrade, WELL_FORMED.upgrade]],
]);

/** @returns undefined if they are too much for one unit */
function unitOfRules(rules: readonly (readonly RuleDemand[])[]): HttpUnit | undefined {
  const demands = new Map([...FIXED.keys()].map((of): [string, Demand[]] => [of, []]));
  for (const [rule, list] of rules.entries())
    for (const { of, pattern, tree } of list) {
      if (!demands.has(of)) demands.set(of, []);
      demands.get(of)?.push({ pattern, tree, rule });
    }
  const fields: (Field | undefined)[] = [];
  let nextHeader: number = FIELD.first_header;
  for (const [of, list] of demands) {
    const [number, wellFormed] = FIXED.get(of) ?? [nextHeader++];
    if (number >= FIELDS_MAX) return undefined;
    const field = fieldOf(number, number < FIELD.version_1_1 ? '' : of, list, wellFormed);
    if (field === undefined || field.dfa.accepts.length > FIELD_STATES_MAX) return undefined;
    fields[number] = field;
  }
  return unitOf(Array.from(fields), rules.length);
}

/** One unit for all of the rules, of which any allows. @returns undefined if there is none, because they are refused or too much */
export function compileUnit(rules: readonly HttpRule[]): HttpUnit | undefined {
  if (rules.length === 0 || rules.length > RULES_MAX) return undefined;
  const found = rules.map(demandsOf);
  return found.flat().some(isRefusal) ? undefined : unitOfRules(found as RuleDemand[][]);
}

/** What makes a rule too large for a unit of its own: the pattern whose automaton is the largest. */
function tooLarge(demands: readonly RuleDemand[], rule: number): RuleRefusal {
  let largest: { demand: RuleDemand; states: number; text: string } | undefined;
  for (const demand of demands) {
    const dfa = dfaOf([demand]);
    const states = dfa?.accepts.length ?? Infinity;
    const text =
      dfa === undefined ? 'more states than are built' : `${states} states of ${dfa.classes} classes of bytes`;
    if (largest === undefined || states > largest.states) largest = { demand, states, text };
  }
  const message =
    `pattern ${JSON.stringify(largest?.demand.pattern)}: its automaton has ${largest?.text}, ` +
    `a rule's table at most ${TRANSITIONS_MAX} entries: repeat less often, or write [!-~] where a dot or a class stands for more than ASCII`;
  return { rule, field: largest?.demand.field ?? '', reason: 'PatternTooLarge', message };
}

/**
 * Compiles rules of which any allows. They are kept in their order; where they do not fit into one unit they are halved.
 * All of them are refused if one is: `refusals` says which and why.
 */
export function compileRules(rules: readonly HttpRule[]): Compiled {
  const refusals: RuleRefusal[] = [];
  const demands = rules.map((rule, index) => {
    const found = demandsOf(rule);
    for (const one of found) if (isRefusal(one)) refusals.push({ ...one, rule: index });
    return found.filter((one): one is RuleDemand => !isRefusal(one));
  });
  const units: CompiledRules[] = [];
  const compile = (first: number, count: number): void => {
    if (refusals.length > 0) return;
    if (units.length === UNITS_MAX) {
      const message = `with the rules before it, it comes to more than ${UNITS_MAX} tables: write fewer or simpler patterns`;
      refusals.push({ rule: first, field: '', reason: 'RulesTooLarge', message });
      return;
    }
    const unit = count <= RULES_MAX ? unitOfRules(demands.slice(first, first + count)) : undefined;
    if (unit !== undefined) {
      units.push({ unit, first, count });
    } else if (count === 1) {
      refusals.push(tooLarge(demands[first] ?? [], first));
    } else {
      const half = Math.ceil(count / 2);
      compile(first, half);
      compile(first + half, count - half);
    }
  };
  if (refusals.length === 0 && rules.length > 0) compile(0, rules.length);
  return { units: refusals.length === 0 ? units : [], refusals };
}
