/** States of the machines that read HTTP, and the bytes that they tell apart. */
import { UNJUDGED, type Unjudged } from './verdict.ts';

/** Where a machine stands: a place, and numbers that are of meaning there. */
export type State = readonly [place: Place, ...details: number[]];

export type Place = RequestLinePlace | StatusLinePlace | HeaderPlace | ChunkPlace;

type RequestLinePlace = 'method' | 'target begin' | 'path' | 'query' | 'version' | 'version over';

export type StatusLinePlace = 'status version' | 'status' | 'status over' | 'reason';

type HeaderPlace =
  | 'line feed'
  | 'line begin'
  | 'name'
  | 'value begin'
  | 'value'
  | 'value over'
  | 'other value'
  | 'last line feed'
  | 'end'
  | 'unjudged';

export type ChunkPlace =
  | 'chunk begin'
  | 'size'
  | 'extension'
  | 'size line feed'
  | 'data'
  | 'data line feed'
  | 'trailer begin'
  | 'trailer name'
  | 'trailer value'
  | 'trailer line feed'
  | 'last trailer line feed'
  | 'over';

export const code = (text: string): number => text.charCodeAt(0);
export const [CR, LF, SPACE, TAB, SLASH, DOT] = [13, 10, 32, 9, code('/'), code('.')];

/** What a version is without its minor number. */
export const VERSION = 'HTTP/1.';
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/;

export const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB;
export const isTokenByte = (byte: number): boolean => TOKEN.test(String.fromCharCode(byte));
export const isMethodByte = (byte: number): boolean => /^[A-Z_-]$/.test(String.fromCharCode(byte));
export const isTargetByte = (byte: number): boolean =>
  byte > SPACE && byte < 127 && byte !== code('#') && byte !== code('\\');
export const isValueByte = (byte: number): boolean => (byte >= SPACE && byte !== 127) || byte === TAB;
export const isDigit = (byte: number): boolean => byte >= code('0') && byte <= code('9');
export const isHexadecimal = (byte: number): boolean => /^[0-9A-Fa-f]$/.test(String.fromCharCode(byte));

export const unjudged = (why: Unjudged = 'none'): State => ['unjudged', UNJUDGED[why]];
