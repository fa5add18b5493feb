/**
 * What stands around the chunks of a body, as RFC 9112 7.1 has it and no reader takes otherwise: sizes without blanks
 * around them, lines that end with CR LF, no control characters. Extensions and trailers mean nothing here.
 */
import {
  type ChunkPlace,
  CR,
  code,
  isHexadecimal,
  isTokenByte,
  isValueByte,
  LF,
  type Place,
  type State,
  unjudged,
} from './grammar_bytes.ts';
import type { Action } from './verdict.ts';

const ZERO = code('0');

export function chunkAction(place: Place): Action | undefined {
  switch (place) {
    case 'size':
      return { kind: 'chunk_digit' };
    case 'data':
      return { kind: 'chunk' };
    case 'over':
      return { kind: 'over' };
    default:
      return undefined;
  }
}

/** @param hasData whether the size that was read is more than 0 */
const sizeStep = (hasData: number, byte: number): State => {
  if (isHexadecimal(byte)) return ['size', hasData === 1 || byte !== ZERO ? 1 : 0];
  if (byte === code(';')) return ['extension', hasData];
  return byte === CR ? ['size line feed', hasData] : unjudged('chunk');
};

const on = (byte: number, expected: number, place: ChunkPlace): State =>
  byte === expected ? [place] : unjudged('chunk');

/** Of chunks' places, of the head's end, and of the end of all, where the kernel begins anew. */
export function chunkStep(state: State, byte: number): State {
  const [place, hasData = 0] = state;
  switch (place) {
    case 'end':
    case 'chunk begin':
      return isHexadecimal(byte) ? sizeStep(0, byte) : unjudged('chunk');
    case 'size':
      return sizeStep(hasData, byte);
    case 'extension':
      if (byte === CR) return ['size line feed', hasData];
      return isValueByte(byte) ? state : unjudged('chunk');
    case 'size line feed':
      return on(byte, LF, hasData === 1 ? 'data' : 'trailer begin');
    case 'data':
      return on(byte, CR, 'data line feed');
    case 'data line feed':
      return on(byte, LF, 'chunk begin');
    case 'trailer begin':
      if (byte === CR) return ['last trailer line feed'];
      return isTokenByte(byte) ? ['trailer name'] : unjudged('chunk');
    case 'trailer name':
      if (byte === code(':')) return ['trailer value'];
      return isTokenByte(byte) ? state : unjudged('chunk');
    case 'trailer value':
      if (byte === CR) return ['trailer line feed'];
      return isValueByte(byte) ? state : unjudged('chunk');
    case 'trailer line feed':
      return on(byte, LF, 'trailer begin');
    case 'last trailer line feed':
      return on(byte, LF, 'over');
    default:
      return state;
  }
}
