/** The first line of a response (RFC 9112 4): what of its status decides where the response ends. */
import { ENUMS } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { ALL_RULES, FIELD } from './fields.ts';
import {
  CR,
  code,
  isDigit,
  isValueByte,
  LF,
  type Place,
  SPACE,
  type State,
  type StatusLinePlace,
  unjudged,
  VERSION,
} from './grammar_bytes.ts';
import type { Action } from './verdict.ts';

export const RESPONSE_FIELD = ENUMS.http_response_field;

export const STATUS_BEGIN: State = ['status version', 0, 0];
const STATUS_DIGITS = 3;
const PLACES: readonly Place[] = ['status version', 'status', 'status over', 'reason'] satisfies StatusLinePlace[];

export const isStatusPlace = (place: Place): boolean => PLACES.includes(place);

/** Fields that are seen with a status. */
function fieldsOf(status: number): number[] {
  const { informational, switches, bodiless } = RESPONSE_FIELD;
  if (status === 101) return [informational, switches, bodiless];
  if (status < 200) return [informational, bodiless];
  return status === 204 || status === 304 ? [bodiless] : [];
}

export function statusAction([place, first = 0, second = 0]: State): Action | undefined {
  if (place === 'status' && first === 0)
    return second === 1 ? { kind: 'field', field: FIELD.version_1_1, rules: ALL_RULES, also: [] } : undefined;
  if (place === 'status over')
    return { kind: 'field', field: RESPONSE_FIELD.status, rules: ALL_RULES, also: fieldsOf(first) };
  return undefined;
}

export function statusStep(state: State, byte: number): State {
  const [place, first = 0, second = 0] = state;
  switch (place) {
    case 'status version': {
      if (first < VERSION.length)
        return byte === code(VERSION[first]!) ? ['status version', first + 1, 0] : unjudged('version');
      if (first > VERSION.length) return byte === SPACE ? ['status', 0, second] : unjudged('version');
      const minor = byte - code('0');
      return minor === 0 || minor === 1 ? ['status version', first + 1, minor] : unjudged('version');
    }
    // where none of its digits was read, the second number is the minor version's
    case 'status': {
      if (!isDigit(byte)) return unjudged('version');
      const status = (first === 0 ? 0 : second * 10) + byte - code('0');
      if (status === 0) return unjudged('version');
      return first + 1 === STATUS_DIGITS ? ['status over', status] : ['status', first + 1, status];
    }
    case 'status over':
      if (byte === SPACE) return ['reason'];
      return byte === CR ? ['line feed'] : unjudged(byte === LF ? 'line_end' : 'version');
    default:
      if (byte === CR) return ['line feed'];
      return isValueByte(byte) ? state : unjudged(byte === LF ? 'line_end' : 'header_value');
  }
}
