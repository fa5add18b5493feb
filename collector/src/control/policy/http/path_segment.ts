/** What is between two slashes of a path. */
import { DOT, SLASH, SPACE } from './grammar_bytes.ts';

/** How much of a segment was read: nothing, `.`, `..`, or what is neither. */
export const SEGMENT = { empty: 0, dot: 1, dots: 2, other: 3 } as const;

export function segmentBehind(segment: number, byte: number): number {
  if (byte === SLASH) return SEGMENT.empty;
  return byte === DOT && segment < SEGMENT.dots ? segment + 1 : SEGMENT.other;
}

export const isDots = (segment: number): boolean => segment === SEGMENT.dot || segment === SEGMENT.dots;

/** Escapes of these change where a path's segments end, or make it another one to some readers. */
export const isHidden = (byte: number): boolean =>
  byte < SPACE || byte === 127 || '/.%?#\\'.includes(String.fromCharCode(byte));
