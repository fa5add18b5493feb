/**
 * HTTP rules compiled for the kernel: one table that reads a request's head byte by byte, an entry for each byte, and
 * tells at the head's end which of the rules allow the request.
 */
import { ENUMS, HTTP_ACTION, HTTP_UNIT } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { type Automaton, minimised } from './automaton.ts';
import { ALL_RULES, FIELD, FIELDS_MAX, type Field } from './fields.ts';
import type { State } from './grammar_bytes.ts';
import { GROUPS, HeadGrammar, type Kind } from './head_grammar.ts';
import type { Action } from './verdict.ts';

/** Entries of a table. */
export const TRANSITIONS_MAX = (HTTP_UNIT.size - HTTP_UNIT.transitions) / 4;
const ACTIONS_MAX = (HTTP_UNIT.absent - HTTP_UNIT.actions) / HTTP_ACTION.size;
/** Of a group: their numbers, from 1, are bytes. */
const COLUMNS_MAX = 255;
const { group_shift: GROUP_SHIFT, text_shift: TEXT_SHIFT, action_shift: ACTION_SHIFT } = ENUMS.http_entry;

/** Most states that are built before the table is made smaller. */
const STATES_MAX = 12_000;

export interface HttpUnit {
  /** Columns of each byte, by byte * GROUPS + group: a path's bytes are told apart in other ways than a name's. */
  readonly classOf: Uint8Array;
  /**
   * A row for each state: the index of what is to be done there, and an entry for each class of its group. The first row
   * is where a head begins.
   */
  readonly transitions: Uint32Array;
  readonly actions: readonly Action[];
  /** Rules that are left, by field, where the head was without it. */
  readonly absent: BigUint64Array;
  /** Rules that a head may still satisfy when it begins: the lowest bits. */
  readonly rules: bigint;
  /** Fields without which an HTTP/1.1 head is malformed, as bits. */
  readonly demanded: number;
}

const NOTHING = '';
/** As labels of states, which are texts. */
const textOf = (action: Action | undefined): string =>
  action === undefined
    ? NOTHING
    : JSON.stringify(action, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value));
const actionOf = (text: string): Action =>
  JSON.parse(text, (key, value) => (key === 'rules' ? BigInt(value as string) : value));

/** Every state that the grammar can come to. @returns undefined if they are too many */
function explored(grammar: HeadGrammar): Automaton | undefined {
  const classOf = grammar.byteClasses();
  const samples: number[] = [];
  for (const [byte, number] of classOf.entries()) samples[number] ??= byte;
  const states: State[] = [grammar.start];
  const numbers = new Map([[grammar.start.join(), 0]]);
  const next: number[] = [];
  const labels: string[] = [];
  for (let index = 0; index < states.length; index += 1) {
    if (states.length > STATES_MAX) return undefined;
    const state = states[index]!;
    labels.push(`${grammar.group(state)} ${textOf(grammar.action(state))}`);
    for (const byte of samples) {
      const to = grammar.step(state, byte);
      const key = to.join();
      const known = numbers.get(key) ?? states.push(to) - 1;
      numbers.set(key, known);
      next.push(known);
    }
  }
  return { classOf, classes: samples.length, next: Uint32Array.from(next), labels };
}

/** All but control characters. */
const TEXT = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte >= 32 && byte !== 127);

/** The kernel passes over text in such a state eight bytes at a time. */
const staysInText = ({ classOf, classes, next }: Automaton, state: number): boolean =>
  TEXT.every((byte) => next[state * classes + classOf[byte]!] === state);

/** Columns of a table that are the same in all rows of the group are one class. */
function classesOf(
  { classOf, classes, next }: Automaton,
  rows: readonly number[],
): { classOf: Uint8Array; columns: number[] } {
  const columns: number[] = [];
  const known = new Map<string, number>();
  const number = Array.from({ length: classes }, (_, column) => {
    const key = rows.map((row) => next[row * classes + column]).join();
    if (!known.has(key)) known.set(key, columns.push(column) - 1);
    return known.get(key)!;
  });
  return { classOf: classOf.map((column) => number[column]!), columns };
}

/**
 * @param fields by their number
 * @param count of the rules
 * @returns undefined if the table would be too large
 */
export function unitOf(
  fields: readonly (Field | undefined)[],
  count: number,
  kind: Kind = 'request',
): HttpUnit | undefined {
  const whole = explored(new HeadGrammar(fields, kind));
  if (whole === undefined) return undefined;
  const automaton = minimised(whole);
  const states = automaton.labels.map((label, state) => ({
    group: Number(label[0]),
    action: label.slice(2),
    flags: (Number(label.slice(2) !== NOTHING) << ACTION_SHIFT) | (Number(staysInText(automaton, state)) << TEXT_SHIFT),
  }));
  const actions = [...new Set(states.map(({ action }) => action))].filter((action) => action !== NOTHING);
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    classesOf(
      automaton,
      [...states.keys()].filter((state) => states[state]?.group === group),
    ),
  );

  if (groups.some(({ columns }) => columns.length > COLUMNS_MAX)) return undefined;

  const places: number[] = [];
  let length = 0;
  for (const { group } of states) {
    places.push(length);
    length += 1 + groups[group]!.columns.length;
  }
  if (length > TRANSITIONS_MAX || actions.length > ACTIONS_MAX) return undefined;
  const transitions = new Uint32Array(length);
  for (const [state, { group, action }] of states.entries()) {
    const place = places[state]!;
    transitions[place] = Math.max(0, actions.indexOf(action));
    for (const [index, column] of groups[group]!.columns.entries()) {
      const next = automaton.next[state * automaton.classes + column]!;
      const to = states[next]!;
      transitions[place + 1 + index] = places[next]! | ((to.group * 8) << GROUP_SHIFT) | to.flags;
    }
  }
  const classOf = Uint8Array.from(
    { length: 256 * GROUPS },
    (_, index) => 1 + groups[index % GROUPS]!.classOf[Math.floor(index / GROUPS)]!,
  );
  const absent = BigUint64Array.from({ length: FIELDS_MAX }, (_, number) => fields[number]?.absent ?? ALL_RULES);
  const demanded = kind === 'request' ? 1 << FIELD.host : 0;
  return { classOf, transitions, actions: actions.map(actionOf), absent, rules: (1n << BigInt(count)) - 1n, demanded };
}
