/** Fields of a request's head that are told apart, and what is demanded of each. */
import { ENUMS, HTTP_UNIT } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { type Dfa, dfaOf, type ParsedPattern } from './dfa.ts';
import { parsePattern } from './parse_pattern.ts';

/** Numbers of the fields: bits of what was seen of a head. */
export const FIELD = ENUMS.http_field;

export const FIELDS_MAX = (HTTP_UNIT.rules - HTTP_UNIT.absent) / 8;
export const RULES_MAX = 64;
export const ALL_RULES = (1n << 64n) - 1n;

/** A pattern that a rule, by its bit, has for a field. */
export interface Demand extends ParsedPattern {
  readonly rule: number;
}

/** What is read of one field. */
export interface Field {
  readonly number: number;
  /** Lower-case name of the header; empty for the request line's fields. */
  readonly header: string;
  readonly dfa: Dfa;
  /** Rules that a value which ends in a state satisfies in this field, as bits; undefined if such a value is malformed. */
  readonly rules: readonly (bigint | undefined)[];
  /** State of the automaton from which nothing matches any more; -1 if there is none. */
  readonly trap: number;
  /** Rules that demand nothing of the field. */
  readonly absent: bigint;
}

const parsed = (pattern: string, foldsCase = false): ParsedPattern => ({
  pattern,
  tree: parsePattern(pattern, foldsCase),
});

/** Well-formed values of the headers that tell where a request ends and for whom it is; anything else is not judged. */
export const WELL_FORMED = {
  // no trailing dot: nginx takes it away
  host: parsed('(?:[A-Za-z0-9_-]+(?:\\.[A-Za-z0-9_-]+)*|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?'),
  content_length: parsed('[0-9]{1,18}'),
  transfer_encoding: parsed('chunked', true),
  // what follows an upgrade to HTTP/2 would not be judged
  upgrade: parsed('websocket', true),
} as const;

const isTrap = ({ next, classes }: Dfa, state: number): boolean =>
  next.subarray(state * classes, (state + 1) * classes).every((to) => to === state);

/** @returns undefined if the automaton would be too large */
export function fieldOf(
  number: number,
  header: string,
  demands: readonly Demand[],
  wellFormed?: ParsedPattern,
): Field | undefined {
  const dfa = dfaOf(wellFormed === undefined ? demands : [...demands, wellFormed]);
  if (dfa === undefined) return undefined;
  const absent = demands.reduce((rules, { rule }) => rules & ~(1n << BigInt(rule)), ALL_RULES);
  const rules = dfa.accepts.map((accepted) => {
    if (wellFormed !== undefined && (accepted >> BigInt(demands.length)) % 2n === 0n) return undefined;
    return demands.reduce(
      (left, { rule }, index) => ((accepted >> BigInt(index)) % 2n === 1n ? left : left & ~(1n << BigInt(rule))),
      ALL_RULES,
    );
  });
  const trap = dfa.accepts.findIndex((accepted, state) => accepted === 0n && isTrap(dfa, state));
  return { number, header, dfa, rules, trap, absent };
}
