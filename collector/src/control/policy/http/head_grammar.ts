/**
 * A head as a deterministic machine over its bytes, with the automata of its fields in their places: one state
 * says where in the head it is and what the field's bytes so far were. It reads RFC 9112 strictly. What servers read
 * differently is not judged (enum http_unjudged has the list): nothing that is allowed means another request to nginx.
 *
 * The path is judged as it was sent, which is how Envoy asks, and decoded, which is how nginx asks: a rule takes a path
 * if it takes both. The query is judged as it was sent.
 *
 * Behind the head the machine reads what stands around the chunks of its body (chunk_grammar.ts). A response's head differs
 * in its first line (status_line.ts).
 */
import { HTTP_UNIT } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { chunkAction, chunkStep } from './chunk_grammar.ts';
import { ALL_RULES, FIELD, type Field } from './fields.ts';
import {
  CR,
  code,
  isBlank,
  isHexadecimal,
  isMethodByte,
  isTargetByte,
  isTokenByte,
  isValueByte,
  LF,
  SLASH,
  SPACE,
  type State,
  TAB,
  unjudged,
  VERSION,
} from './grammar_bytes.ts';
import { isDots, isHidden, SEGMENT, segmentBehind } from './path_segment.ts';
import { isStatusPlace, STATUS_BEGIN, statusAction, statusStep } from './status_line.ts';
import type { Action, Unjudged } from './verdict.ts';

/** No escape is being read; or its first digit is next; else the value of that digit. */
const NO_ESCAPE = -1;
const ESCAPE = 16;
/** In the place of a set of rules: the value is not over. */
const GOES_ON = -1;
/** How much of the method HEAD was read; in the place of that: the method is another one. */
const HEAD = 'HEAD';
const OTHER_METHOD = -1;
/** In the place of a name: one that is not told apart. */
const OTHER_NAME = -1;
/** What a malformed value satisfies; no set of rules is negative. */
const MALFORMED = -1n;
const MALFORMED_FIELDS: ReadonlyMap<number, Unjudged> = new Map([
  [FIELD.host, 'host'],
  [FIELD.content_length, 'framing'],
  [FIELD.transfer_encoding, 'framing'],
  [FIELD.upgrade, 'upgrade'],
]);

/** Groups of states. */
export const GROUPS = (HTTP_UNIT.actions - HTTP_UNIT.classes) / 256;

const after = ({ dfa }: Field, state: number, byte: number): number =>
  dfa.next[state * dfa.classes + dfa.classOf[byte]!]!;

export type Kind = 'request' | 'response';

export class HeadGrammar {
  readonly start: State;
  readonly #fields: readonly (Field | undefined)[];
  /** Beginnings of the names of headers that are told apart, and the field of those that are whole. */
  readonly #names: readonly string[];
  readonly #namePlaces: ReadonlyMap<string, number>;
  readonly #fieldsByName: ReadonlyMap<string, number>;
  /** Sets of rules by number. */
  readonly #ruleSets: bigint[] = [];
  readonly #setNumbers = new Map<bigint, number>();

  /** @param fields by their number; those that are no header's are undefined in a response, and that of the version is */
  constructor(fields: readonly (Field | undefined)[], kind: Kind) {
    this.start = kind === 'request' ? ['method', 0, 0, 0] : STATUS_BEGIN;
    this.#fields = fields;
    const headers = fields.filter((field) => field !== undefined && field.header !== '') as Field[];
    this.#fieldsByName = new Map(headers.map(({ header, number }) => [header, number]));
    const beginnings = headers.flatMap(({ header }) => Array.from(header, (_, index) => header.slice(0, index + 1)));
    this.#names = [...new Set(beginnings)];
    this.#namePlaces = new Map(this.#names.map((name, index) => [name, index]));
  }

  /** Class of each byte: bytes of a class are never told apart. */
  byteClasses(): Uint8Array {
    const classes = new Map<string, number>();
    return Uint8Array.from({ length: 256 }, (_, byte) => {
      const key = [Math.min(byte, 128), ...this.#fields.map((field) => field?.dfa.classOf[byte])].join();
      if (!classes.has(key)) classes.set(key, classes.size);
      return classes.get(key)!;
    });
  }

  /** Which of GROUPS a state is of: those of a group tell the same bytes apart, more or less. */
  group([place, first = 0, , , escaping = NO_ESCAPE]: State): number {
    switch (place) {
      case 'path':
        return escaping === NO_ESCAPE ? 0 : 1;
      case 'line feed':
      case 'line begin':
      case 'name':
      case 'last line feed':
        return 2;
      case 'other value':
      case 'end':
        return 3;
      case 'value begin':
      case 'value':
      case 'value over':
        return 3 + Math.min(Math.max(first - FIELD.transfer_encoding, 0), GROUPS - 4);
      // a head begins in the first group, whatever it is of
      case 'method':
      case 'status version':
      case 'target begin':
      case 'query':
      case 'version':
      case 'version over':
      case 'unjudged':
        return 0;
      default:
        return 3;
    }
  }

  /** What is to be done when the state is come to. */
  action(state: State): Action | undefined {
    const [place, first = 0, second = 0, third = 0] = state;
    switch (place) {
      case 'target begin':
        return {
          kind: 'field',
          field: FIELD.method,
          rules: this.#ruleSets[first]!,
          also: second === HEAD.length ? [FIELD.method_head] : [],
        };
      case 'version':
        return first === 0
          ? { kind: 'field', field: FIELD.target, rules: this.#ruleSets[second]!, also: [] }
          : undefined;
      case 'version over':
        return first === 1 ? { kind: 'field', field: FIELD.version_1_1, rules: ALL_RULES, also: [] } : undefined;
      case 'value':
        return first === FIELD.content_length && third === GOES_ON ? { kind: 'digit' } : undefined;
      case 'value over':
        return { kind: 'field', field: first, rules: this.#ruleSets[second]!, also: [] };
      case 'end':
        return { kind: 'end' };
      case 'unjudged':
        return { kind: 'unjudged', why: first };
      default:
        return isStatusPlace(place) ? statusAction(state) : chunkAction(place);
    }
  }

  step(state: State, byte: number): State {
    const [place, first = 0, second = 0, third = 0, fourth = 0] = state;
    switch (place) {
      case 'method':
        return this.#inMethod(first, second, third, byte);
      case 'target begin':
        return byte === SLASH ? this.#inPath(0, 0, SEGMENT.other, NO_ESCAPE, byte) : unjudged('target_form');
      case 'path':
        return this.#inPath(first, second, third, fourth, byte);
      case 'query':
        return this.#inQuery(first, second, byte);
      case 'version':
        if (first === VERSION.length) {
          const minor = byte - code('0');
          return minor === 0 || minor === 1 ? ['version over', minor] : unjudged('version');
        }
        return byte === code(VERSION[first]!) ? ['version', first + 1, GOES_ON] : unjudged('version');
      case 'version over':
        return byte === CR ? ['line feed'] : unjudged(byte === LF ? 'line_end' : 'version');
      case 'value over':
      case 'line feed':
        return byte === LF ? ['line begin'] : unjudged('line_end');
      case 'line begin':
        if (isBlank(byte)) return unjudged('folded');
        if (byte === CR) return ['last line feed'];
        return byte === LF ? unjudged('line_end') : this.#inName('', byte);
      case 'name':
        return byte === code(':') ? this.#behindName(first) : this.#inName(this.#names[first], byte);
      case 'value begin':
        return byte === SPACE ? state : this.#inValue(first, 0, GOES_ON, byte);
      case 'value':
        return this.#inValue(first, second, third, byte);
      case 'other value':
        if (byte === CR) return ['line feed'];
        return isValueByte(byte) ? state : unjudged(byte === LF ? 'line_end' : 'header_value');
      case 'last line feed':
        return byte === LF ? ['end'] : unjudged('line_end');
      case 'unjudged':
        return state;
      default:
        return isStatusPlace(place) ? statusStep(state, byte) : chunkStep(state, byte);
    }
  }

  #field(number: number): Field {
    const field = this.#fields[number];
    if (field === undefined) throw new Error(`no field ${number}`);
    return field;
  }

  #setNumber(rules: bigint): number {
    const known = this.#setNumbers.get(rules) ?? this.#ruleSets.push(rules) - 1;
    this.#setNumbers.set(rules, known);
    return known;
  }

  /** @param head how much of HEAD was read, or OTHER_METHOD */
  #inMethod(automaton: number, hasBegun: number, head: number, byte: number): State {
    const method = this.#field(FIELD.method);
    if (isMethodByte(byte))
      return ['method', after(method, automaton, byte), 1, byte === HEAD.charCodeAt(head) ? head + 1 : OTHER_METHOD];
    if (byte === CR || byte === LF) return unjudged('line_end');
    if (byte !== SPACE || hasBegun === 0) return unjudged('method');
    return ['target begin', this.#setNumber(method.rules[automaton] ?? 0n), head];
  }

  /** `sent` and `decoded`: states of the target's automaton. */
  #inPath(sent: number, decoded: number, segment: number, escaping: number, byte: number): State {
    if (escaping !== NO_ESCAPE) return this.#inEscape(sent, decoded, escaping, byte);
    if (byte === SLASH && segment === SEGMENT.empty) return unjudged('target_slashes');
    if (isDots(segment) && (byte === SLASH || byte === SPACE || byte === code('?') || byte === code(';')))
      return unjudged('target_dots');
    if (byte === SPACE) return this.#behindTarget(sent, decoded);
    if (!isTargetByte(byte)) return unjudged(byte === CR || byte === LF ? 'line_end' : 'target_byte');
    const next = after(this.#field(FIELD.target), sent, byte);
    if (byte === code('%')) return this.#path(next, decoded, SEGMENT.other, ESCAPE);
    const nextDecoded = after(this.#field(FIELD.target), decoded, byte);
    if (byte === code('?')) return ['query', ...this.#both(next, nextDecoded)];
    return this.#path(next, nextDecoded, segmentBehind(segment, byte), NO_ESCAPE);
  }

  #inEscape(sent: number, decoded: number, escaping: number, byte: number): State {
    if (!isHexadecimal(byte)) return unjudged('target_escape');
    const digit = Number.parseInt(String.fromCharCode(byte), 16);
    const next = after(this.#field(FIELD.target), sent, byte);
    if (escaping === ESCAPE) return this.#path(next, decoded, SEGMENT.other, digit);
    const escaped = escaping * 16 + digit;
    if (isHidden(escaped)) return unjudged('target_escape');
    return this.#path(next, after(this.#field(FIELD.target), decoded, escaped), SEGMENT.other, NO_ESCAPE);
  }

  #inQuery(sent: number, decoded: number, byte: number): State {
    if (byte === SPACE) return this.#behindTarget(sent, decoded);
    if (!isTargetByte(byte)) return unjudged(byte === CR || byte === LF ? 'line_end' : 'target_byte');
    return [
      'query',
      ...this.#both(after(this.#field(FIELD.target), sent, byte), after(this.#field(FIELD.target), decoded, byte)),
    ];
  }

  #path(sent: number, decoded: number, segment: number, escaping: number): State {
    return ['path', ...this.#both(sent, decoded), segment, escaping];
  }

  /** Where one of the two can match no more, it does not matter where the other is. */
  #both(sent: number, decoded: number): [number, number] {
    const { trap } = this.#field(FIELD.target);
    return sent === trap || decoded === trap ? [trap, trap] : [sent, decoded];
  }

  #behindTarget(sent: number, decoded: number): State {
    const { rules } = this.#field(FIELD.target);
    return ['version', 0, this.#setNumber((rules[sent] ?? 0n) & (rules[decoded] ?? 0n))];
  }

  /** @param name what was read of it, if that is the beginning of one that is told apart */
  #inName(name: string | undefined, byte: number): State {
    if (!isTokenByte(byte)) return unjudged(byte === CR || byte === LF ? 'line_end' : 'header_name');
    if (name === undefined) return ['name', OTHER_NAME];
    return ['name', this.#namePlaces.get(name + String.fromCharCode(byte).toLowerCase()) ?? OTHER_NAME];
  }

  #behindName(name: number): State {
    const field = this.#fieldsByName.get(this.#names[name] ?? '');
    return field === undefined ? ['other value'] : ['value begin', field];
  }

  /** @param over the set of rules that the value satisfies if it is over, that is, if only blanks follow */
  #inValue(number: number, automaton: number, over: number, byte: number): State {
    const field = this.#field(number);
    if (byte !== CR && byte !== SPACE) {
      // a tab before or behind a value is of the value to nginx, and not to RFC 9110 5.5
      if (!isValueByte(byte) || byte === TAB) return unjudged(byte === LF ? 'line_end' : 'header_value');
      return ['value', number, after(field, automaton, byte), GOES_ON];
    }
    const set = over === GOES_ON ? this.#setNumber(field.rules[automaton] ?? MALFORMED) : over;
    if (byte !== CR) return ['value', number, after(field, automaton, byte), set];
    return this.#ruleSets[set] === MALFORMED ? unjudged(MALFORMED_FIELDS.get(number)) : ['value over', number, set];
  }
}
